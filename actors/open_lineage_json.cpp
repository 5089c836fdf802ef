#include "actors/open_lineage_json.hpp"

#include <fmt/format.h>

namespace mlforge::actors::lineage {
namespace {

constexpr std::string_view kSpec = "https://openlineage.io/spec/";

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

Members& Members::raw(std::string_view name, std::string_view json) {
  if (!text_.empty()) text_ += ',';
  text_ += quoted(name);
  text_.append(":").append(json);
  return *this;
}

Members& Members::text(std::string_view name, std::string_view value) {
  return raw(name, quoted(value));
}

Members& Members::add(const Members& other) {
  if (!text_.empty() && !other.text_.empty()) text_ += ',';
  text_ += other.text_;
  return *this;
}

std::string array(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& each : items) out.append(out.size() > 1 ? "," : "").append(each);
  return out + "]";
}

Writer::Writer(const EventView& event, const LineageOptions& options)
    : event_(event),
      name_space_(options.name_space),
      producer_("urn:mlforge:server:" + options.version),
      schemas_(options.schema_base + std::string(kLineageFacets)) {
  if (event.tenant != "default") name_space_.append("/").append(event.tenant);
}

Members Writer::facet(std::string_view name, std::string_view schema, Members members) const {
  const auto type = schema.substr(schema.find('/') + 1);
  Members out;
  out.text("_producer", producer_)
      .text("_schemaURL", fmt::format("{}facets/{}.json#/$defs/{}", kSpec, schema, type))
      .add(members);
  return Members().raw(name, out.object());
}

Members Writer::own_facet(std::string_view name, Members members, std::string_view entity) const {
  // mlforge_driftAlert is MlforgeDriftAlertRunFacet, as the specification names them.
  std::string title(name.substr(name.find('_') + 1));
  title[0] = static_cast<char>(title[0] - 'a' + 'A');
  Members out;
  out.text("_producer", producer_)
      .text("_schemaURL", fmt::format("{}#/$defs/Mlforge{}{}Facet", schemas_, title, entity))
      .add(members);
  return Members().raw(name, out.object());
}

Members Writer::version(std::string_view version) const {
  return facet("version", "1-0-0/DatasetVersionDatasetFacet",
               Members().text("datasetVersion", version));
}

Members Writer::parent(std::string_view run, std::string_view job) const {
  return facet(
      "parent", "1-0-1/ParentRunFacet",
      Members()
          .raw("run", Members().text("runId", run).object())
          .raw("job", Members().text("namespace", name_space_).text("name", job).object()));
}

std::string Writer::dataset(std::string_view name, const Members& facets,
                            std::string_view more_name, const Members& more) const {
  Members out;
  out.text("namespace", name_space_).text("name", name).raw("facets", facets.object());
  if (!more_name.empty() && !more.empty()) out.raw(more_name, more.object());
  return out.object();
}

std::string Writer::event(std::string_view type, const Run& run) const {
  const auto source = own_facet("mlforge_event", Members()
                                                     .value("position", event_.position)
                                                     .text("eventId", to_string(event_.id))
                                                     .text("eventType", event_.type)
                                                     .text("stream", event_.stream)
                                                     .text("actor", event_.actor));
  const auto job_type = facet("jobType", "2-0-3/JobTypeJobFacet",
                              Members()
                                  .text("processingType", "BATCH")
                                  .text("integration", "MLFORGE")
                                  .text("jobType", run.job_type));
  return Members()
      .text("eventType", type)
      .text("eventTime", format_time(event_.time))
      .text("producer", producer_)
      .text("schemaURL", fmt::format("{}2-0-2/OpenLineage.json#/$defs/RunEvent", kSpec))
      .raw("run", Members()
                      .text("runId", run.id)
                      .raw("facets", Members(run.facets).add(source).object())
                      .object())
      .raw("job", Members()
                      .text("namespace", name_space_)
                      .text("name", run.job)
                      .raw("facets", job_type.object())
                      .object())
      .raw("inputs", array(run.inputs))
      .raw("outputs", array(run.outputs))
      .object();
}

std::vector<std::string> Writer::whole(const Run& run, std::string_view end) const {
  return {event("START", run), event(end, run)};
}

}  // namespace mlforge::actors::lineage
