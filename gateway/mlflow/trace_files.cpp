#include "gateway/mlflow/trace_files.hpp"

#include <algorithm>

#include "gateway/mlflow/owners.hpp"
#include "gateway/mlflow/span_files.hpp"
#include "projections/artifacts.hpp"
#include "storage/digest.hpp"

namespace mlforge::gateway::mlflow {
namespace trace_files {
namespace {

constexpr const char* kSpansFile = "traces.json";

Error no_spans(const std::string& trace_id) {
  return {ErrorCode::not_found,
          "Trace with ID '" + trace_id +
              "' has no spans on this server: its file traces.json was "
              "not stored here",
          "trace_id"};
}

Expected<std::string> read_file(const App& app, const FileRef& file) {
  const auto digest = storage::parse_digest(file.digest);
  if (!digest)
    return Error{ErrorCode::corrupt, "the digest of '" + file.path + "' is no digest", ""};
  auto reader = app.blobs->open(kTenant, *digest, {});
  if (!reader) return reader.error();
  std::string out(file.bytes, '\0');
  std::size_t done = 0;
  while (done < out.size()) {
    const auto got =
        (*reader)->read({reinterpret_cast<std::uint8_t*>(out.data()) + done, out.size() - done});
    if (!got) return got.error();
    if (*got == 0) break;
    done += *got;
  }
  if (storage::sha256(storage::as_bytes(out)) == *digest) return out;
  app.blobs->doubt(kTenant, *digest);
  return Error{ErrorCode::corrupt,
               "the stored bytes of '" + file.path + "' do not match their digest", ""};
}

// Files of requests are numbered as they came. Those of former versions are named by their digests:
// these come before, and do not say in which order.
bool is_numbered(const FileRef& file) {
  return file.path.starts_with("spans/") && file.path[file.path.rfind('/') + 1] == kNumberMark;
}

}  // namespace
}  // namespace trace_files

Expected<FileRef> trace_file(const QueryContext& q, const TraceRow& row, const std::string& name) {
  const auto at = row.info.tags.find(kTraceArtifacts);
  const auto root =
      at == row.info.tags.end() ? std::nullopt : projections::proxied_path(at->second);
  if (!root) return trace_files::no_spans(row.info.trace_id);
  const auto path = *root + "/" + name;
  const auto file = projections::find_artifact(q.reader, kTenant, path, q.as_of);
  if (!file || file->is_folder())
    return name == trace_files::kSpansFile ? trace_files::no_spans(row.info.trace_id)
                                           : no_artifact(path);
  return FileRef{file->path, file->digest, file->bytes};
}

Expected<std::vector<FileRef>> span_files(const QueryContext& q, const TraceRow& row) {
  std::vector<FileRef> out;
  auto uploaded = trace_file(q, row, trace_files::kSpansFile);
  if (uploaded) out.push_back(*std::move(uploaded));
  for (auto& each :
       projections::list_artifacts(q.reader, kTenant, spans_folder(row.info.trace_id), q.as_of))
    if (!each.is_folder()) out.push_back({each.path, each.digest, each.bytes});
  if (out.empty()) return uploaded.error();
  return out;
}

Expected<std::string> read_spans(const App& app, const std::vector<FileRef>& files) {
  std::vector<std::string> texts;
  for (const auto& file : files) {
    auto text = trace_files::read_file(app, file);
    if (!text) return text.error();
    texts.push_back(*std::move(text));
  }
  const auto unordered = std::count_if(files.begin(), files.end(), [](const FileRef& file) {
    return !trace_files::is_numbered(file);
  });
  return merged_spans(texts, static_cast<std::size_t>(unordered));
}

}  // namespace mlforge::gateway::mlflow
