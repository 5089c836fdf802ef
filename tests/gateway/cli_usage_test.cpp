// Words that name no command, values that are wrong, help, and the reference pages.
#include <catch2/catch.hpp>

#include <cstdlib>

#include "gateway/cli/groups.hpp"
#include "gateway/cli/reference.hpp"
#include "tests/gateway/cli_support.hpp"

namespace cli_usage_tests {

using namespace mlforge::gateway;
using namespace mlforge::gateway::test;

TEST_CASE("a word that names no command is a usage error that suggests the nearest") {
  const auto wrong = run({"nosuch"});
  CHECK(wrong.code == 2);
  CHECK(wrong.out.empty());
  CHECK(has(wrong.err, "there is no command 'mlforge nosuch'"));
  CHECK(has(run({"datset", "list"}).err, "did you mean 'dataset'?"));
  const auto below = run({"models", "promot"});
  CHECK(below.code == 2);
  CHECK(has(below.err, "there is no command 'mlforge models promot'; did you mean 'promote'?"));
  CHECK(has(below.err, "see 'mlforge models --help'"));
}

TEST_CASE("a group alone says what is below it") {
  CHECK(run({}).code == 2);
  const auto group = run({"drift"});
  CHECK(group.code == 2);
  CHECK(has(group.err, "'mlforge drift' needs a command: latest, list, check"));
}

TEST_CASE("arguments that are missing, unknown or wrong are usage errors") {
  const std::vector<std::vector<std::string>> cases{
      {"dataset", "show"},
      {"dataset", "list", "--nonsense"},
      {"dataset", "list", "--limit", "0"},
      {"dataset", "list", "--limit", "ten"},
      {"models", "gate", "adult", "0"},
      {"deploy", "split", "income", "1.5"},
      {"run", "best"},
      {"run", "best", "--experiment", "a", "--mode", "middle"},
      {"pipeline", "define", "no-such-file.yaml"},
      {"pipeline", "run", "adult", "--watch", "--no-watch"},
      {"models", "alias", "adult", "best", "3", "--remove"},
      {"models", "register", "adult", "--run", "r", "--experiment", "e"},
      {"promote", "--to", "staging"},
      {"reference", "nothing"},
      {"serve", "--psi-threshold", "high", "--print-config"},
      {"serve", "--listen", "8000", "--print-config"},
      {"events", "--limit", "0"},
  };
  for (const auto& args : cases) {
    CAPTURE(args);
    const auto wrong = run(args);
    CHECK(wrong.code == 2);
    CHECK(wrong.out.empty());
    CHECK(wrong.err.starts_with("mlforge: "));
  }
}

TEST_CASE("a number that must be from 1 on says so in a few words") {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"events", "--limit", "0"},
                                             {"events", "--limit", "-3"},
                                             {"events", "--limit", "1.5"},
                                             {"models", "gate", "adult", "champion"},
                                             {"models", "stage", "adult", "0", "Staging"}}) {
    CAPTURE(args);
    const auto wrong = run(args);
    CHECK(wrong.code == 2);
    CHECK(has(wrong.err, "must be a whole number from 1 on, not '"));
    CHECK(wrong.err.size() < 150);
  }
}

TEST_CASE("every command has help with examples") {
  std::istringstream in;
  std::ostringstream out, err;
  const cli::Io io{in, out, err, false, false, {}};
  cli::Session session(io);
  CLI::App root("", "mlforge");
  cli::build(root, session);
  std::size_t commands = 0;
  const std::function<void(const CLI::App*, std::vector<std::string>)> visit =
      [&](const CLI::App* app, std::vector<std::string> words) {
        const auto below = app->get_subcommands([](const CLI::App*) { return true; });
        for (const auto* each : below) {
          auto next = words;
          next.push_back(each->get_name());
          visit(each, next);
        }
        if (!below.empty()) return;
        ++commands;
        CAPTURE(words);
        words.push_back("--help");
        const auto help = run(words);
        CHECK(help.code == 0);
        CHECK(help.err.empty());
        CHECK(has(help.out, "Examples:\n  mlforge " + words.front()));
        CHECK(has(help.out, "--json"));
      };
  visit(&root, {});
  CHECK(commands > 35);
  CHECK(has(run({"--help"}).out, "6 findings"));
}

TEST_CASE("versions") {
  CHECK(run({"--version"}).out == "mlforge " MLFORGE_VERSION "\n");
  const auto json = run({"version", "--json"});
  CHECK(json.code == 0);
  CHECK(has(json.out, "\"mlforge\":\"" MLFORGE_VERSION "\""));
  CHECK(has(json.out, "\"lmdb\":\"0.9."));
}

TEST_CASE("serve --print-config prints a file that says the same again") {
  const TempFolder folder;
  const Env env{{"PSI_THRESHOLD", "0.33"}};
  const auto first = run({"serve", "--print-config", "--nats", "off", "--listen", "[::1]:0"}, env);
  REQUIRE(first.code == 0);
  CHECK(has(first.out, "# environment, PSI_THRESHOLD"));
  CHECK(has(first.out, "# flag --nats"));
  const auto file = folder.write("again.yaml", first.out);
  const auto again = run({"serve", "--print-config", "--config", file});
  REQUIRE(again.code == 0);
  const auto values = [](const std::string& text) {
    std::istringstream lines(text);
    std::string out, line;
    while (std::getline(lines, line)) out += line.substr(0, line.find("  #")) + "\n";
    return out;
  };
  CHECK(values(again.out) == values(first.out));
  CHECK(has(again.out, "again.yaml, line 5"));
  const auto named = run({"serve", "--print-config", "--json"}, {{"MLFORGE_CONFIG", file}});
  CHECK(has(named.out, "{\"name\":\"psi_threshold\",\"value\":0.33,\"origin\":\""));
}

TEST_CASE("a configuration that is wrong ends with its place and code 2") {
  const TempFolder folder;
  const auto file = folder.write("bad.yaml", "listen: 127.0.0.1:0\ndata: here\n");
  const auto wrong = run({"serve", "--config", file});
  CHECK(wrong.code == 2);
  CHECK(has(wrong.err, file + ": line 2, column 1: data is not a setting"));
  const auto json = run({"serve", "--config", file, "--json"});
  CHECK(json.code == 2);
  CHECK(has(json.err, "{\"error\":{\"code\":\"unknown_field\""));
}

TEST_CASE("a configuration file that is a folder, or not there, is a wrong configuration") {
  const TempFolder folder;
  const auto is_folder = run({"serve", "--config", folder.path.string(), "--print-config"});
  CHECK(is_folder.code == 2);
  CHECK(has(is_folder.err, "is a folder"));
  CHECK(is_folder.out.empty());
  const auto none = run({"serve", "--config", (folder.path / "none.yaml").string()});
  CHECK(none.code == 2);
  CHECK(has(none.err, "none.yaml"));
}

TEST_CASE("under --json a usage error is JSON too") {
  const std::vector<std::vector<std::string>> wrong{
      {"serve", "--json", "--bogus"},
      {"run", "best", "--json"},
      {"deploy", "split", "adult", "1.5", "--json"},
      {"pipeline", "define", "/nonexistent", "--json"},
      {"nothing", "--json"},
  };
  for (const auto& args : wrong) {
    CAPTURE(args);
    const auto done = run(args);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(done.err.starts_with("{\"error\":{\"code\":\"invalid_argument\",\"message\":\""));
    CHECK(done.err.ends_with("}}\n"));
    CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 1);
  }
  CHECK(run({"serve", "--bogus"}).err.starts_with("mlforge: "));
  const auto page = run({"reference", "cli", "--json"});
  CHECK(page.code == 0);
  CHECK(page.out.starts_with("{\"page\":\"cli\",\"markdown\":\"# The command line"));
}

TEST_CASE("the reference pages are those that the program prints") {
  const char* source = std::getenv("MLFORGE_SOURCE");
  if (!source) {
    WARN("SKIPPED: MLFORGE_SOURCE does not name the source folder");
    return;
  }
  for (const std::string page : {"cli", "configuration"}) {
    CAPTURE(page);
    std::ifstream in(std::string(source) + "/docs/" + page + ".md");
    std::ostringstream text;
    text << in.rdbuf();
    const auto printed = run({"reference", page});
    CHECK(printed.code == 0);
    // Else: mlforge reference <page> > docs/<page>.md
    CHECK(text.str() == printed.out);
  }
}

}  // namespace cli_usage_tests
