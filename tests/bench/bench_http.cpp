// bench_http: puts one kind of request on a server on this machine and reports rate, latency and
// CPU time. Exit code: 0 all answers were 2xx, 1 some were not or the load broke off, 2 usage.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "load.hpp"

namespace {

bool parse_url(const std::string& url, bench::Plan& plan) {
  const std::string scheme = "http://";
  const auto colon = url.rfind(':');
  if (url.rfind(scheme, 0) != 0 || colon == std::string::npos || colon < scheme.size())
    return false;
  plan.host = url.substr(scheme.size(), colon - scheme.size());
  const auto port = std::strtoul(url.c_str() + colon + 1, nullptr, 10);
  plan.port = static_cast<std::uint16_t>(port);
  return port > 0 && port < 65536;
}

void report(const bench::Plan& plan, const bench::Result& r, bool json) {
  const auto us = [&](double q) { return 1e-3 * static_cast<double>(r.latency.quantile(q)); };
  const double answered = static_cast<double>(r.answered);
  const double rate = r.seconds > 0 ? answered / r.seconds : 0;
  const double own_us = r.answered ? 1e6 * r.own_cpu_seconds / answered : 0;
  const double server_us = r.answered ? 1e6 * r.pids_cpu_seconds / answered : 0;
  const char* format =
      json ? "{\"connections\":%d,\"answered\":%llu,\"warmed\":%llu,\"refused\":%llu,\"seconds\":%."
             "4f,"
             "\"requests_per_second\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,"
             "\"max_us\":%.1f,\"own_cpu_seconds\":%.3f,\"server_cpu_seconds\":%.3f,"
             "\"own_cpu_us_per_request\":%.2f,\"server_cpu_us_per_request\":%.2f}\n"
           : "connections      %d\nanswered         %llu\nwarm-up          %llu\nrefused          "
             "%llu\n"
             "seconds          %.4f\nrequests/s       %.1f\n"
             "p50, us          %.1f\np90, us          %.1f\np99, us          %.1f\n"
             "max, us          %.1f\nown CPU, s       %.3f\nserver CPU, s    %.3f\n"
             "own CPU/request, us     %.2f\nserver CPU/request, us  %.2f\n";
  std::printf(format, plan.connections, static_cast<unsigned long long>(r.answered),
              static_cast<unsigned long long>(r.warmed), static_cast<unsigned long long>(r.refused),
              r.seconds, rate, us(0.5), us(0.9), us(0.99),
              1e-3 * static_cast<double>(r.latency.max()), r.own_cpu_seconds, r.pids_cpu_seconds,
              own_us, server_us);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Plan plan;
  std::string url, body_file;
  bool json = false;
  CLI::App app{"Closed-loop HTTP load on a server on this machine"};
  app.add_option("--url", url, "http://127.0.0.1:PORT")->required();
  app.add_option("--connections", plan.connections, "each with one request under way");
  app.add_option("--requests", plan.requests, "end after so many answers");
  app.add_option("--seconds", plan.seconds, "end after so long");
  app.add_option("--warmup", plan.warmup, "answers before the clock starts");
  app.add_option("--method", plan.method, "GET, POST, ...");
  app.add_option("--path", plan.path, "may hold {{i}}, the request's number");
  app.add_option("--body", plan.body, "may hold {{i}}");
  app.add_option("--body-file", body_file, "the same from a file")->excludes("--body");
  app.add_option("--content-type", plan.content_type, "of the body");
  app.add_option("--header", plan.headers, "a further line, 'Name: value'");
  app.add_option("--first", plan.first, "number of the first request, ten digits");
  app.add_option("--pid", plan.pids, "process whose CPU time is measured; may be repeated");
  app.add_flag("--json", json, "one JSON object instead of a table");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (!parse_url(url, plan)) {
    std::fprintf(stderr, "--url must look like http://127.0.0.1:8080.\n");
    return 2;
  }
  if (!body_file.empty()) {
    std::ifstream file(body_file, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "--body-file %s cannot be read.\n", body_file.c_str());
      return 2;
    }
    plan.body.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto result = bench::run_load(plan);
  report(plan, result, json);
  if (!result.error.empty()) std::fprintf(stderr, "%s\n", result.error.c_str());
  if (result.refused > 0)
    std::fprintf(stderr, "%llu answers were not 2xx; the first:\n%s\n",
                 static_cast<unsigned long long>(result.refused), result.first_refusal.c_str());
  return result.error.empty() && result.refused == 0 && result.answered > 0 ? 0 : 1;
}
