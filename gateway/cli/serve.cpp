// serve and demo: what starts a server.
#include "gateway/cli/commands.hpp"
#include "gateway/cli/groups.hpp"

namespace mlforge::gateway::cli {
namespace {

std::string quoted(const Setting& setting, const Config& config) {
  const auto text = setting.text(config);
  if (!std::holds_alternative<std::string Config::*>(setting.member)) return text;
  std::string out;
  append_json_string(out, text);
  return out;
}

// As YAML that --config reads back, with the origin of each value as a comment.
int print_config(const Session& s, const LoadedConfig& loaded) {
  std::size_t width = 0;
  std::vector<std::string> lines;
  std::string rows;
  for (std::size_t i = 0; i < settings().size(); ++i) {
    const auto& setting = settings()[i];
    const auto value = quoted(setting, loaded.config);
    lines.push_back(std::string(setting.name) + ": " + value);
    width = std::max(width, lines.back().size());
    if (i) rows += ",";
    rows += "{\"name\":\"" + std::string(setting.name) + "\",\"value\":" + value + ",\"origin\":";
    append_json_string(rows, loaded.origins[i]);
    rows += "}";
  }
  if (s.json) {
    s.line("{\"settings\":[" + rows + "]}");
    return kOk;
  }
  for (std::size_t i = 0; i < lines.size(); ++i)
    s.line(lines[i] + std::string(width - lines[i].size() + 2, ' ') + "# " + loaded.origins[i]);
  return kOk;
}

}  // namespace

void add_serve_commands(CLI::App& root, Session& s) {
  struct Serve {
    std::shared_ptr<ConfigFlags> flags;
    bool print = false;
  };
  const auto serve = std::make_shared<Serve>();
  auto* c = s.command(root, "serve", "Serve the API, the events and predictions",
                      "  mlforge serve --data ./mlforge-data --listen 127.0.0.1:8000\n"
                      "  mlforge serve --nats nats://10.0.0.5:4222 --psi-threshold 0.25\n"
                      "  mlforge serve --config mlforge.yaml --print-config",
                      [&s, serve] {
                        const auto loaded = s.load(*serve->flags);
                        if (!loaded) return s.fail(loaded.error());
                        if (serve->print) return print_config(s, *loaded);
                        return serve_command(loaded->config);
                      });
  serve->flags = s.add_config(*c);
  c->add_flag("--print-config", serve->print, "Show the settings and where each comes from");

  const auto demo = std::make_shared<std::pair<DemoOptions, std::shared_ptr<ConfigFlags>>>();
  auto* d = s.command(root, "demo", "A whole model life: data, training, canary, drift, retraining",
                      "  mlforge demo\n  mlforge demo --adult ./adult --stop\n"
                      "  mlforge demo --data ./other-data --psi-threshold 0.25",
                      [&s, demo] {
                        const auto loaded = s.load(*demo->second);
                        if (!loaded) return s.fail(loaded.error());
                        demo->first.config = loaded->config;
                        demo->first.config_file = demo->second->file;
                        demo->first.flags = demo->second->values;
                        demo->first.json = s.json;
                        return demo_command(demo->first);
                      });
  demo->second = s.add_config(*d);
  d->add_option("--adult", demo->first.adult, "Folder of UCI Adult's files (MLFORGE_DATA)")
      ->type_name("DIR");
  d->add_flag("--force", demo->first.force,
              "Empty the data folder even if it holds events that are not the demo's");
  d->add_flag("--stop", demo->first.stop, "Stop the server at the end");
}

}  // namespace mlforge::gateway::cli
