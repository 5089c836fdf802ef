// One call of the command line: what all commands share.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/cli/api.hpp"
#include "gateway/cli/io.hpp"
#include "gateway/cli/table.hpp"
#include "gateway/config.hpp"

namespace mlforge::gateway::cli {

inline constexpr int kOk = 0, kFailed = 1, kUsage = 2, kFindings = 6;

// Settings as flags and files name them, until they are read.
struct ConfigFlags {
  std::string file;
  std::vector<std::pair<std::string, std::string>> values;
};

class Session {
 public:
  explicit Session(const Io& io) : io(io) {}

  const Io& io;
  bool json = false;
  std::string server;           // --server; empty: not given
  std::function<int()> action;  // of the command that was named

  // A name with commands below it.
  CLI::App* group(CLI::App& parent, const std::string& name, const std::string& description);
  // A command that runs `run`. `examples`: lines of the help.
  CLI::App* command(CLI::App& parent, const std::string& name, const std::string& description,
                    const std::string& examples, std::function<int()> run);
  // The same for one that asks a server.
  CLI::App* remote(CLI::App& parent, const std::string& name, const std::string& description,
                   const std::string& examples, std::function<int()> run);

  // --config, and a flag for each setting whose name is in `names` (empty: all).
  std::shared_ptr<ConfigFlags> add_config(CLI::App& command,
                                          const std::vector<std::string_view>& names = {});
  Expected<LoadedConfig> load(const ConfigFlags& flags) const;

  std::string url() const;    // --server, MLFORGE_URL, else this machine at API_PORT
  std::string actor() const;  // MLFORGE_ACTOR, else the user's login name
  Api api() const { return Api(url(), actor()); }

  // A message; nothing else goes to stderr but progress.
  void note(std::string_view text) const;
  // Says what went wrong and answers the exit code that belongs to it.
  int fail(const Error& error) const;
  // A line of data.
  void line(std::string_view text) const;
  void table(const Table& table) const;
  // A table below something else, where it has rows.
  void section(const Table& table) const;
  void facts(const std::vector<std::pair<std::string, std::string>>& facts) const;

  // Prints the answer as it came under --json, else what `human` makes of it.
  template <class T, class Human>
  int show(const Expected<Answer<T>>& answer, Human&& human) const {
    if (!answer) return fail(answer.error());
    if (json)
      line(answer->json);
    else
      human(answer->value);
    return kOk;
  }
};

// Options of commands that list: --limit, --page-token, --as-of.
struct ListOptions {
  std::uint64_t limit = 100;
  std::string page_token, as_of;

  void add_to(CLI::App& command);
  Query query() const;
};
// For options that are a whole number from 1 on.
CLI::Validator from_one();
// --as-of alone.
void add_as_of(CLI::App& command, std::string& as_of);

// Prints a page of rows; says on stderr how to go on where there is more.
template <class Page, class AddRow>
int show_page(const Session& s, const Expected<Answer<Page>>& answer, Table table,
              std::string_view nothing, AddRow&& add_row) {
  return s.show(answer, [&](const Page& page) {
    for (const auto& row : page.items) add_row(table, row);
    if (table.empty())
      s.note(nothing);
    else
      s.table(table);
    if (!page.next_page_token.empty())
      s.note("there is more: --page-token '" + page.next_page_token + "'");
  });
}

}  // namespace mlforge::gateway::cli
