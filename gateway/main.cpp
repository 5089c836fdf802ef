#include "gateway/cli/io.hpp"

int main(int argc, char** argv) {
  using namespace mlforge::gateway::cli;
  return run_cli(std::vector<std::string>(argv + 1, argv + argc), process_io());
}
