// The data of the demo: UCI Adult where it can be found, else a generated stand-in.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "events/error.hpp"

namespace mlforge::gateway {

struct DemoData {
  std::filesystem::path data, test;  // adult.data, adult.test
  std::string source;                // in words, for the dataset
  std::string mark;        // "", "SYNTHETIC data" or "not UCI's data": what every output line says
  bool synthetic = false;  // made by the generator, whoever keeps it now
};

// In order: `wanted` (a folder that holds adult.data, or adult/adult.data), $MLFORGE_DATA,
// ../shared/data, what ops/adult-data has left in build/adult; else files that the seeded generator
// writes into `scratch`. not_found where `wanted` or $MLFORGE_DATA is given and empty of them.
// Only files with the SHA-256 of UCI's are called UCI's.
Expected<DemoData> find_demo_data(const std::string& wanted, const std::filesystem::path& scratch);

// One person as the features of a prediction request; `age` for choosing whom to ask about.
struct DemoPerson {
  std::string features;  // a JSON object
  double age = 0;
};

// The people of a file in the adult.data format.
Expected<std::vector<DemoPerson>> read_people(const std::filesystem::path& file);

}  // namespace mlforge::gateway
