// OpenLineage run events on their way out: appended to a file, or posted.
#pragma once
#include "actors/open_lineage.hpp"
#include "actors/webhook.hpp"
#include "storage/blob_store.hpp"

namespace mlforge::actors {

// What the log and the blobs say. All pointers outlive it. Errors of the log read as nothing.
class LogLineage final : public LineageSource {
 public:
  LogLineage(const storage::Log& log, const storage::BlobStore& blobs, std::string tenant)
      : log_(log), blobs_(blobs), tenant_(std::move(tenant)) {}
  LineageRun run(const std::string& run_id, Position as_of) override;
  PipelineRunStarted pipeline_run(const std::string& id, Position as_of) override;
  std::string model_of_endpoint(const std::string& endpoint, Position as_of) override;
  std::vector<LineageColumn> columns(const std::string& dataset, std::uint64_t version,
                                     Position as_of) override;

 private:
  template <class Visit>
  void each(const std::string& stream, std::uint64_t limit, Position as_of, Visit visit) const;
  std::vector<LineageColumn> columns_of(const std::vector<FileRef>& files) const;

  const storage::Log& log_;
  const storage::BlobStore& blobs_;
  std::string tenant_;
};

struct LineageSenderOptions {
  const storage::Log* log = nullptr;
  const storage::BlobStore* blobs = nullptr;
  std::string name_space, version, schema_base;
  SubscriptionSettings settings;  // url: "file:/path" or where to post
  std::shared_ptr<const UrlGuard> guard;
  std::string ca_file;
};

// A file is appended to and synced before its events are acknowledged; a line that a crash cut off
// is taken away first. Posts are one run event each, application/json.
Expected<std::unique_ptr<Sender>> make_lineage_sender(LineageSenderOptions options);

}  // namespace mlforge::actors
