# The front door: `make help` lists what there is. Everything else lives in ops/ and in CMakePresets.json.
DATA    ?= ./demo-data
MLFORGE := build/release/mlforge

# The short names, as commands of the program; give more with ARGS="...". All but `serve` ask a server that is up.
SERVE              = $(MLFORGE) serve --data $(DATA) $(ARGS)
TRAIN              = ops/train-adult $(ARGS)
NEWEST             = $$($(MLFORGE) models show adult --json | sed -n 's/.*"latest_version":\([0-9]*\).*/\1/p')
REGISTER           = $(MLFORGE) models stage adult $(NEWEST) Staging $(ARGS)
PROMOTE_PRODUCTION = $(MLFORGE) models promote adult $(ARGS)
PREDICTIONS        = ops/send-rows $(ARGS)
DRIFT_CHECK        = $(MLFORGE) drift check $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help deps build demo test test-long bench check format clean serve train register \
        promote-production predictions drift-check
MAKEFLAGS += --no-print-directory

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

deps: ## install what building and testing need (Debian 12 packages)
	@ops/install-deps --build

build: deps ## build the program, build/release/mlforge
	@cmake --preset release >/dev/null
	@ninja -C build/release -j$$(nproc) mlforge

demo: build ## the whole life of a model, from data to retraining; leaves the server running
	@test -n "$(MLFORGE_DATA)" || ops/adult-data >/dev/null || true
	$(MLFORGE) demo --data $(DATA) $(ARGS)

test: deps ## unit tests, the same under asan and ubsan, then end to end
	@ops/run-tests --mlflow

test-long: ## crash rounds, soak, thread sanitizer, fuzzing
	@ops/install-deps --all
	@ops/run-tests --long

bench: deps ## measure against the bare ceiling; more with ARGS="--quick"
	@cmake --preset release >/dev/null
	@ninja -C build/release -j$$(nproc)
	@tests/bench/run $(ARGS)

check: ## before a commit: format, includes, style, clang-tidy, unit tests
	@ops/install-deps
	@ops/check $(ARGS)

format: ## clang-format all C++ files in place
	@ops/check --format

clean: ## remove the build folders
	rm -rf build

serve: build ## start the server on $(DATA)
	$(SERVE)

train: build ## train a version of the model
	$(TRAIN)

register: build ## move the newest version to Staging: the challenger
	$(REGISTER)

promote-production: build ## promote it to production
	$(PROMOTE_PRODUCTION)

predictions: build ## send 1,000 rows of the test part as predictions; ARGS="1000 45": people of 45 and more
	$(PREDICTIONS)

drift-check: build ## compare production's data with the training data
	$(DRIFT_CHECK)
