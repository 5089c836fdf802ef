// The reference pages in Markdown, from the same tables that the program runs by.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace mlforge::gateway::cli {

std::string cli_reference(const CLI::App& root);  // docs/cli.md
std::string configuration_reference();            // docs/configuration.md

}  // namespace mlforge::gateway::cli
