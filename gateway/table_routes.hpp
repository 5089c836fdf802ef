// Routes that read one row or a page of rows of a read model.
#pragma once
#include "gateway/handlers.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway {

std::vector<http::QueryParam> as_of_parameter();
std::vector<http::QueryParam> range_header();  // of routes that answer bytes
std::vector<http::QueryParam> list_parameters(std::string filter = {});

Expected<projections::PageRequest> page_request(const http::Request& request);

inline projections::PageRequest at(projections::PageRequest page, Position as_of) {
  page.as_of = as_of;
  return page;
}

// {"items":[...],"next_page_token":"...","position":N}
template <class Row>
http::Response page_response(const QueryContext& q, const projections::Page<Row>& page) {
  std::string out = json_member("items", page.items);
  if (!page.next_page_token.empty())
    out += "," + json_member("next_page_token", page.next_page_token);
  return http::Response::json("{" + json_member("position", q.position) + "," + out + "}");
}

// A list route over `query(reader, tenant, filter?, page)`.
template <class Query>
http::Handler list_route(App& app, Query query) {
  return [&app, query](const http::Request& request, http::Reply reply) {
    auto page = page_request(request);
    if (!page) return reply.send(page.error());
    run_query(app, request, std::move(reply),
              [query, page = *page](const QueryContext& q) -> Expected<http::Response> {
                auto rows = query(q.reader, kTenant, at(page, q.as_of));
                if (!rows) return rows.error();
                return page_response(q, *rows);
              });
  };
}

// The same with a filter, from the query string or from the path.
template <class Query>
http::Handler filtered_route(App& app, std::string name, bool in_path, Query query) {
  return [&app, name, in_path, query](const http::Request& request, http::Reply reply) {
    auto page = page_request(request);
    if (!page) return reply.send(page.error());
    const std::string filter(in_path ? request.param(name) : request.query(name).value_or(""));
    run_query(app, request, std::move(reply),
              [query, filter, page = *page](const QueryContext& q) -> Expected<http::Response> {
                auto rows = query(q.reader, kTenant, filter, at(page, q.as_of));
                if (!rows) return rows.error();
                return page_response(q, *rows);
              });
  };
}
template <class Query>
http::Handler list_route(App& app, Query query, std::string filter) {
  return filtered_route(app, std::move(filter), false, query);
}
template <class Query>
http::Handler list_of_route(App& app, std::string parameter, Query query) {
  return filtered_route(app, std::move(parameter), true, query);
}

// One row by the path parameter, over `query(reader, tenant, id, as_of)`.
template <class Query>
http::Handler object_route(App& app, std::string parameter, Query query) {
  return [&app, parameter, query](const http::Request& request, http::Reply reply) {
    run_object_query(app, request, std::move(reply),
                     [query, id = std::string(request.param(parameter))](
                         const QueryContext& q) -> Expected<std::string> {
                       auto row = query(q.reader, kTenant, id, q.as_of);
                       if (!row) return row.error();
                       return to_json(*row);
                     });
  };
}

// The schemas of what those routes answer, from the query that they are over.
template <class Row, class... Args>
std::string object_answer(Expected<Row> (*)(Args...)) {
  return answer_schema<Row>();
}
template <class Row, class... Args>
std::string page_answer(Expected<projections::Page<Row>> (*)(Args...)) {
  return answer_schema<projections::Page<Row>>();
}

http::Handler audit_route(App& app);

}  // namespace mlforge::gateway
