// Each group of commands puts itself below the root; `s` outlives the root.
#pragma once
#include "gateway/cli/session.hpp"

namespace mlforge::gateway::cli {

void add_serve_commands(CLI::App& root, Session& s);    // serve, demo
void add_folder_commands(CLI::App& root, Session& s);   // verify, rebuild
void add_archive_commands(CLI::App& root, Session& s);  // archive, retention, compact
void add_subscription_commands(CLI::App& root, Session& s);
void add_proof_commands(CLI::App& root, Session& s);     // proof, keys
void add_subject_commands(CLI::App& root, Session& s);   // subjects
void add_event_commands(CLI::App& root, Session& s);     // events, audit
void add_transfer_commands(CLI::App& root, Session& s);  // export, import
void add_copy_commands(CLI::App& root, Session& s);      // backup, restore, fork
void add_travel_commands(CLI::App& root, Session& s);    // diff, whatif
void add_dataset_commands(CLI::App& root, Session& s);
void add_run_commands(CLI::App& root, Session& s);
void add_pipeline_commands(CLI::App& root, Session& s);
void add_model_commands(CLI::App& root, Session& s);
void add_short_commands(CLI::App& root, Session& s);  // register, promote
void add_deploy_commands(CLI::App& root, Session& s);
void add_drift_commands(CLI::App& root, Session& s);
void add_environment_commands(CLI::App& root, Session& s);
void add_doctor_command(CLI::App& root, Session& s);
void add_version_commands(CLI::App& root, Session& s);  // version, reference

// The whole command line.
void build(CLI::App& root, Session& s);

}  // namespace mlforge::gateway::cli
