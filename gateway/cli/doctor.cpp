// doctor: is this machine fit, and is the server well? version, and the reference pages.
#include "gateway/cli/checks.hpp"
#include "gateway/cli/groups.hpp"
#include "gateway/cli/reference.hpp"

namespace mlforge::gateway::cli {
namespace {

struct Report {
  bool ok = true;
  CheckRows checks;
  std::map<std::string, std::string> versions;
  static constexpr auto fields() {
    return FieldList{field("ok", &Report::ok), field("checks", &Report::checks),
                     field("versions", &Report::versions)};
  }
};

int doctor(const Session& s, const Config& config) {
  Report report;
  const auto add = [&](CheckRow row) { report.checks.push_back(std::move(row)); };
  const std::filesystem::path folder = config.data_dir;
  add(check_folder(folder));
  add(check_subscriptions(folder));
  add(check_disk(folder));
  add(check_sync_rate(folder, std::chrono::seconds(1)));
  for (auto& row : check_limits(config)) add(std::move(row));
  add(check_clock());
  add(check_nats(config));
  Api api = s.api();
  for (auto& row : check_server(api, !s.server.empty() || s.io.env("MLFORGE_URL")))
    add(std::move(row));
  for (const auto& [name, version] : versions()) report.versions[name] = version;
  for (const auto& row : report.checks) report.ok = report.ok && row.result != "finding";
  if (s.json) {
    s.line(to_json(report));
  } else {
    Table table({{"CHECK"}, {"RESULT"}, {"DETAIL"}});
    for (const auto& row : report.checks) table.row({row.check, row.result, row.detail});
    s.table(table);
  }
  return report.ok ? kOk : kFindings;
}

struct Page {
  std::string page, markdown;
  static constexpr auto fields() {
    return FieldList{field("page", &Page::page), field("markdown", &Page::markdown)};
  }
};

int reference(const Session& s, const std::string& page, const std::string& markdown) {
  s.line(s.json ? to_json(Page{page, markdown}) : markdown);
  return kOk;
}

int version(const Session& s) {
  if (s.json)
    s.line(to_json([] {
      std::map<std::string, std::string> out;
      for (const auto& [name, version] : versions()) out[name] = version;
      return out;
    }()));
  else
    s.facts(versions());
  return kOk;
}

}  // namespace

void add_doctor_command(CLI::App& root, Session& s) {
  const auto flags = std::make_shared<std::shared_ptr<ConfigFlags>>();
  auto* c =
      s.remote(root, "doctor", "Check this machine and the server (6: findings)",
               "  mlforge doctor --data ./mlforge-data\n  mlforge doctor --json", [&s, flags] {
                 const auto loaded = s.load(**flags);
                 return loaded ? doctor(s, loaded->config) : s.fail(loaded.error());
               });
  *flags = s.add_config(*c, {"data_dir", "nats", "max_connections", "log_map_gib"});
}

void add_version_commands(CLI::App& root, Session& s) {
  s.command(root, "version", "Versions of this program and of what it is made with",
            "  mlforge version --json", [&s] { return version(s); });
  const auto page = std::make_shared<std::string>();
  auto* c =
      s.command(root, "reference", "Print a page of the reference in Markdown",
                "  mlforge reference cli > docs/cli.md", [&s, page, &root] {
                  return reference(
                      s, *page, *page == "cli" ? cli_reference(root) : configuration_reference());
                });
  c->add_option("page", *page, "cli or configuration")
      ->required()
      ->check(CLI::IsMember({"cli", "configuration"}));
}

}  // namespace mlforge::gateway::cli
