#include <lmdb.h>
#include <nats/nats.h>
#include <openssl/crypto.h>
#include <simdjson.h>
#include <xgboost/c_api.h>
#include <caf/config.hpp>

#include <boost/version.hpp>

#include <chrono>

#include "gateway/cli/checks.hpp"
#include "projections/projector.hpp"

namespace mlforge::gateway::cli {
namespace {

struct NatsRow {
  std::string state, last_error;
  std::uint64_t lag = 0;
  static constexpr auto fields() {
    return FieldList{field("state", &NatsRow::state), field("last_error", &NatsRow::last_error),
                     field("lag", &NatsRow::lag)};
  }
};

struct ReadyRow {
  bool ready = false;
  std::string reason;
  Position position = 0;
  std::vector<projections::ProjectionStatus> projections;
  NatsRow nats;
  static constexpr auto fields() {
    return FieldList{required("ready", &ReadyRow::ready), field("reason", &ReadyRow::reason),
                     field("position", &ReadyRow::position),
                     field("projections", &ReadyRow::projections), field("nats", &ReadyRow::nats)};
  }
};

struct InfoRow {
  std::string version;
  static constexpr auto fields() { return FieldList{field("version", &InfoRow::version)}; }
};

struct TimeRow {
  std::string time;
  static constexpr auto fields() { return FieldList{field("time", &TimeRow::time)}; }
};

void add_projections(const ReadyRow& ready, CheckRows& out) {
  std::string failed;
  for (const auto& p : ready.projections)
    if (p.failed)
      failed += (failed.empty() ? "" : "; ") + p.name + " failed at event " +
                std::to_string(p.failed_at) + " (" + p.error + ")";
  if (failed.empty())
    out.push_back(
        {"read models", "ok", std::to_string(ready.projections.size()) + " follow the log"});
  else
    out.push_back({"read models", "finding", failed + ": mlforge rebuild"});
}

void add_nats(const ReadyRow& ready, CheckRows& out) {
  const bool bad = ready.nats.state == "disconnected";
  out.push_back(
      {"broadcast", bad ? "finding" : "ok",
       ready.nats.state +
           (ready.nats.lag ? ", " + std::to_string(ready.nats.lag) + " events behind" : "") +
           (bad && !ready.nats.last_error.empty() ? ": " + ready.nats.last_error : "")});
}

// Time in the log never goes back, so a clock that was ahead once freezes it until it is caught up.
void add_log_time(Api& api, Position head, CheckRows& out) {
  if (head == 0) return;
  const auto last = api.get_as<TimeRow>("/api/v1/events/" + std::to_string(head));
  const auto time = last ? parse_time(last->value.time) : std::nullopt;
  if (!time) return;
  using namespace std::chrono;
  const auto now = duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
  if (*time > now + 1'000'000)
    out.push_back({"log time", "finding",
                   "the last event is of " + last->value.time + ", which is ahead of this clock"});
  else
    out.push_back({"log time", "ok", "the last event is of " + last->value.time});
}

}  // namespace

CheckRows check_server(Api& api, bool expected) {
  CheckRows out;
  const auto response = api.request(http::Method::get, "/readyz", "", "");
  if (!response) {
    const bool silent = response.error().code == ErrorCode::unavailable && !expected;
    out.push_back({"server", silent ? "note" : "finding",
                   silent ? "none answers at " + api.url() : response.error().message});
    return out;
  }
  const auto ready = from_json<ReadyRow>(response->body, Unknown::skip);
  if (!ready) {
    out.push_back({"server", "finding", "what answers at " + api.url() + " is not mlforge"});
    return out;
  }
  out.push_back({"server", ready->ready ? "ok" : "finding",
                 ready->ready
                     ? "ready at " + api.url() + ", position " + std::to_string(ready->position)
                     : "not ready: " + ready->reason});
  if (const auto info = api.get_as<InfoRow>("/api/v1/info")) {
    const bool same = info->value.version == MLFORGE_VERSION;
    out.push_back({"server version", same ? "ok" : "finding",
                   info->value.version + (same ? "" : "; this program is " MLFORGE_VERSION)});
  }
  add_projections(*ready, out);
  add_nats(*ready, out);
  add_log_time(api, ready->position, out);
  return out;
}

std::vector<std::pair<std::string, std::string>> versions() {
  const auto dotted = [](int major, int minor, int patch) {
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  };
  int major = 0, minor = 0, patch = 0;
  XGBoostVersion(&major, &minor, &patch);
  return {
      {"mlforge", MLFORGE_VERSION},
      {"boost", dotted(BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
      {"caf", dotted(CAF_VERSION / 10000, CAF_VERSION / 100 % 100, CAF_VERSION % 100)},
      {"compiler", __VERSION__},
      {"libnats", nats_GetVersion()},
      {"lmdb", dotted(MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH)},
      {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
      {"simdjson", dotted(simdjson::SIMDJSON_VERSION_MAJOR, simdjson::SIMDJSON_VERSION_MINOR,
                          simdjson::SIMDJSON_VERSION_REVISION)},
      {"xgboost", dotted(major, minor, patch)}};
}

}  // namespace mlforge::gateway::cli
