#include "gateway/table_routes.hpp"

#include "events/checks.hpp"
#include "gateway/event_filter.hpp"

namespace mlforge::gateway {

std::vector<http::QueryParam> range_header() {
  return {{"Range", "bytes=A-B or bytes=A-: a part of the file, answered with 206"}};
}

std::vector<http::QueryParam> as_of_parameter() {
  return {{"as_of", "a log position or an RFC 3339 time: the answer as the system stood then"}};
}

std::vector<http::QueryParam> list_parameters(std::string filter) {
  auto out = as_of_parameter();
  out.push_back({"limit", "rows in a page, 1 to 1000", "integer"});
  out.push_back({"page_token", "next_page_token of the page before"});
  if (!filter.empty()) out.push_back({filter, "only those of this " + filter});
  return out;
}

Expected<projections::PageRequest> page_request(const http::Request& request) {
  const auto limit = query_number(request, "limit", 100, 1, 1000);
  if (!limit) return limit.error();
  return projections::PageRequest{*limit, std::string(request.query("page_token").value_or(""))};
}

http::Handler audit_route(App& app) {
  return [&app](const http::Request& request, http::Reply reply) {
    auto page = page_request(request);
    if (!page) return reply.send(page.error());
    const auto filter = parse_event_filter(request);
    if (!filter) return reply.send(filter.error());
    projections::AuditFilter wanted;
    wanted.stream = request.query("stream").value_or("");
    if (wanted.stream.ends_with('*'))
      return reply.send(invalid("stream", "must be the whole name of a stream here"));
    wanted.type_prefix = filter->type;
    wanted.actor = request.query("actor").value_or("");
    wanted.from_time = filter->since;
    wanted.until_time = filter->until;
    run_query(app, request, std::move(reply),
              [&app, wanted, page = *page](const QueryContext& q) -> Expected<http::Response> {
                auto rows =
                    projections::list_audit(q.reader, *app.log, kTenant, wanted, at(page, q.as_of));
                if (!rows) return rows.error();
                return page_response(q, *rows);
              });
  };
}

}  // namespace mlforge::gateway
