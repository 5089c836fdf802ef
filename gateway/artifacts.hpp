// Files that come in and go out: streamed into the content-addressed store and out of it.
#pragma once
#include "gateway/handlers.hpp"
#include "gateway/table_routes.hpp"

namespace mlforge::gateway {

struct StoredFile {
  FileRef ref;
  bool stored = true;        // false: these bytes were there already
  std::string json() const;  // "path":..,"digest":..,"bytes":..,"stored":..
};

// Called when the bytes are on disk, on a worker's thread, to say what they are.
using RecordFile = std::function<void(App&, const http::Request&, http::Reply, const StoredFile&)>;

// An error in the shape of the API that was asked.
using Refuse = http::Response (*)(const http::Request&, const Error&);
http::Response refuse_natively(const http::Request& request, const Error& error);

// An upload to the store; the path is the path parameter {path*}.
http::UploadHandler upload_route(App& app, RecordFile record, Refuse refuse = refuse_natively);

// What a browser saves under that name: never shown in a page of this server.
void name_attachment(http::StreamedResponse& response, const std::string& saved_as);

// Streams the file that the query finds, with its digest as ETag; a Range of the form bytes=a-b is
// honoured. `saved_as`: a client's name for it; then it goes out as an attachment.
void send_file(App& app, const http::Request& request, http::Reply reply,
               std::function<Expected<FileRef>(const QueryContext&)> find,
               std::string saved_as = {}, Refuse refuse = refuse_natively);

}  // namespace mlforge::gateway
