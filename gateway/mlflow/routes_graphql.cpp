// /graphql, as MLflow's web pages use it. Each field of an operation is a request to a route of the
// REST API, inside of the process; the answers' fields are picked from what those answer.
#include <algorithm>
#include <deque>
#include <mutex>

#include "gateway/mlflow/graphql_query.hpp"
#include "gateway/mlflow/handlers.hpp"

namespace mlforge::gateway::mlflow {
namespace graphql_routes {
namespace {

using graphql::Errors;
using graphql::Plan;

constexpr std::size_t kMostBytes = 256 << 10;  // of a document
constexpr std::size_t kMostRunsAtOnce = 500;   // in one search for their versions
constexpr const char* kRest = "/api/2.0/mlflow/";
constexpr const char* kGetExperiment = "experiments/get";
constexpr const char* kSearchVersions = "model-versions/search";

using Doors = std::map<std::string, http::Handler, std::less<>>;  // by path below kRest

// One request to the REST API and its answer.
struct Inner {
  std::string path, body;
  Request request;
  std::string answer;
  int status = 0;
  simdjson::dom::parser parser;
  simdjson::dom::element json;  // of an answer that went well
};

std::string errors_json(const Errors& errors) {
  std::string out;
  Object(out)
      .raw("data", [](std::string& data) { data += "null"; })
      .array("errors", errors,
             [](std::string& to, const std::string& each) { append_json_string(to, each); });
  return out;
}

// The requests of one operation, first those that it names, then those that runs need besides.
class Task : public std::enable_shared_from_this<Task> {
 public:
  Task(App& app, std::shared_ptr<const Doors> doors, Plan plan, Reply reply)
      : app_(app), doors_(std::move(doors)), plan_(std::move(plan)), reply_(std::move(reply)) {}

  void start() {
    for (const auto& call : plan_.calls)
      if (call.root && !call.root->path.empty()) add(std::string(call.root->path), call.body);
    named_ = inner_.size();
    send_from(0, [](Task& task) { task.start_related(); });
  }

 private:
  using Next = void (*)(Task&);

  void add(std::string path, std::string body) {
    auto& inner = inner_.emplace_back();
    inner.path = kRest + path;
    inner.body = std::move(body);
    const Request& asked = reply_.request();
    inner.request.method = Method::post;
    inner.request.path = inner.request.target = inner.request.pattern = inner.path;
    inner.request.body = inner.body;
    inner.request.content_type = http::kJson;
    inner.request.correlation_id = asked.correlation_id;
    inner.request.remote = asked.remote;
  }

  // On the server's thread. `next` follows there when all are answered.
  void send_from(std::size_t first, Next next) {
    left_ = inner_.size() - first;
    next_ = next;
    if (left_ == 0) return next(*this);
    for (std::size_t i = first; i < inner_.size(); ++i) {
      auto& inner = inner_[i];
      const auto done = [self = shared_from_this(), &inner](http::Response response) {
        inner.status = response.status;
        inner.answer = std::move(response.body);
        self->one_answered();
      };
      doors_->at(inner.path.substr(std::string_view(kRest).size()))(
          inner.request, http::captured_reply(inner.request, done));
    }
  }

  void one_answered() {
    {
      const std::lock_guard lock(mutex_);
      if (--left_ > 0) return;
    }
    app_.server->post([self = shared_from_this()] { self->next_(*self); });
  }

  // Where it went wrong, what the REST API says.
  std::optional<std::string> error_of(Inner& inner) {
    const bool parsed = inner.parser.parse(inner.answer).get(inner.json) == simdjson::SUCCESS;
    if (parsed && inner.status == 200) return std::nullopt;
    std::string_view message;
    if (parsed && inner.json.at_key("message").get(message) == simdjson::SUCCESS)
      return std::string(message);
    return "the request to " + inner.path + " was answered with status " +
           std::to_string(inner.status);
  }

  void start_related() {
    graphql::Wanted wanted;
    std::size_t i = 0;
    for (const auto& call : plan_.calls) {
      if (!call.root || call.root->path.empty()) continue;
      auto& inner = inner_[i++];
      errors_of_.push_back(error_of(inner));
      if (!errors_of_.back()) graphql::add_wanted(wanted, call, inner.json);
    }
    for (const auto& id : wanted.experiment_ids) add(kGetExperiment, experiment_body(id));
    for (std::size_t at = 0; at < wanted.run_ids.size(); at += kMostRunsAtOnce)
      add(kSearchVersions, versions_body(std::span(wanted.run_ids).subspan(at)));
    send_from(named_, [](Task& task) { task.finish(); });
  }

  static std::string experiment_body(const std::string& id) {
    std::string out;
    Object(out).text("experiment_id", id);
    return out;
  }

  static std::string versions_body(std::span<const std::string> run_ids) {
    std::string filter = "run_id IN (";
    for (const auto& id : run_ids.first(std::min(run_ids.size(), kMostRunsAtOnce)))
      filter += (filter.back() == '(' ? "'" : ",'") + id + "'";
    std::string out;
    Object(out).text("filter", filter + ")").integer("max_results", 200000);
    return out;
  }

  graphql::Related related() {
    graphql::Related out;
    for (std::size_t i = named_; i < inner_.size(); ++i) {
      if (auto bad = error_of(inner_[i])) {
        errors_.push_back(*std::move(bad));
        continue;
      }
      simdjson::dom::element experiment;
      simdjson::dom::array versions;
      std::string_view id;
      if (inner_[i].json.at_key("experiment").get(experiment) == simdjson::SUCCESS &&
          experiment.at_key("experiment_id").get(id) == simdjson::SUCCESS)
        out.experiments.emplace(id, experiment);
      if (inner_[i].json.at_key("model_versions").get(versions) == simdjson::SUCCESS)
        for (const simdjson::dom::element each : versions)
          if (each.at_key("run_id").get(id) == simdjson::SUCCESS)
            out.versions[std::string(id)].push_back(each);
    }
    return out;
  }

  void write_call(std::string& out, const graphql::Call& call, std::size_t& next,
                  const graphql::Related& related) {
    if (!call.root) return append_json_string(out, plan_.mutation ? "Mutation" : "Query");
    if (call.root->path.empty()) {
      simdjson::dom::parser parser;
      simdjson::dom::element echo;
      if (parser.parse("{\"output\":" + call.body + "}").get(echo) == simdjson::SUCCESS)
        return graphql::write_answer(out, call, echo, related);
      out += "null";
      return;
    }
    const auto i = next++;
    if (errors_of_[i]) {
      errors_.push_back(*errors_of_[i]);
      out += "null";
      return;
    }
    graphql::write_answer(out, call, inner_[i].json, related);
  }

  void finish() {
    const auto others = related();
    std::string out;
    std::size_t next = 0;
    Object(out)
        .raw("data",
             [&](std::string& data) {
               Object fields(data);
               for (const auto& call : plan_.calls)
                 fields.raw(call.node.key,
                            [&](std::string& to) { write_call(to, call, next, others); });
             })
        .raw("errors", [&](std::string& list) {
          if (errors_.empty()) return void(list += "null");
          for (const auto& each : errors_) {
            list += &each == &errors_.front() ? '[' : ',';
            append_json_string(list, each);
          }
          list += ']';
        });
    reply_.send(http::Response::json(std::move(out)));
  }

  App& app_;
  std::shared_ptr<const Doors> doors_;
  Plan plan_;
  Reply reply_;
  std::deque<Inner> inner_;  // requests stay where they are
  std::size_t named_ = 0;
  std::mutex mutex_;
  std::size_t left_ = 0;
  Next next_ = nullptr;
  std::vector<std::optional<std::string>> errors_of_;
  Errors errors_;
};

void refuse(Reply& reply, const Errors& errors, int status) {
  reply.send(http::Response::json(errors_json(errors), status));
}

void answer(App& app, const std::shared_ptr<const Doors>& doors, const Request& request,
            Reply reply) {
  Fields fields(request);
  const auto query = fields.text("query", Need::required);
  auto variables = request.body.empty() ? fields.text("variables") : std::string();
  if (const auto given = fields.object("variables")) variables = simdjson::minify(*given);
  const auto operation = fields.text(fields.has("operationName") ? "operationName" : "operation");
  if (fields.error()) return refuse(reply, {fields.error()->message}, 400);
  if (query.size() > kMostBytes)
    return refuse(reply, {"The query has more than 256 KiB: send a shorter one."}, 400);
  auto plan = graphql::plan_query(query, variables, operation);
  if (const auto* errors = std::get_if<Errors>(&plan))
    return refuse(reply, *errors, errors->front().starts_with("Syntax Error") ? 400 : 200);
  std::make_shared<Task>(app, doors, std::get<Plan>(std::move(plan)), std::move(reply))->start();
}

}  // namespace
}  // namespace graphql_routes

void add_graphql_routes(App& app, http::Router& router) {
  using namespace graphql_routes;
  const auto doors = std::make_shared<Doors>();
  for (const auto& route : router.routes()) {
    const auto* handler = std::get_if<http::Handler>(&route.handler);
    if (!handler || !route.pattern.starts_with(kRest)) continue;
    const auto path = route.pattern.substr(std::string_view(kRest).size());
    if (path == "runs/get" || path == "runs/search" || path == kGetExperiment ||
        path == kSearchVersions || path == "metrics/get-history-bulk-interval" ||
        path == "artifacts/list" || path == "experiments/search-datasets")
      doors->emplace(path, *handler);
  }
  const http::RouteInfo info{.summary = "MLflow", .tag = "mlflow", .hidden = true};
  const auto handler = [&app, doors](const Request& q, Reply r) {
    answer(app, doors, q, std::move(r));
  };
  router.get("/graphql", handler, info);
  router.post("/graphql", handler, info);
}

}  // namespace mlforge::gateway::mlflow
