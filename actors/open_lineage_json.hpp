// The JSON of OpenLineage: facets, datasets and run events.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/open_lineage.hpp"
#include "events/codec.hpp"

namespace mlforge::actors::lineage {

// Members of an object, put together one by one.
class Members {
 public:
  Members& text(std::string_view name, std::string_view value);
  template <class T>
  Members& value(std::string_view name, const T& value) {
    std::string out;
    codec::write(out, value);
    return raw(name, out);
  }
  Members& raw(std::string_view name, std::string_view json);
  Members& add(const Members& other);
  bool empty() const { return text_.empty(); }
  std::string object() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

std::string array(const std::vector<std::string>& items);

// Everything that is written for one event of the log.
class Writer {
 public:
  Writer(const EventView& event, const LineageOptions& options);

  // A standard facet: `schema` such as "1-0-1/SchemaDatasetFacet".
  Members facet(std::string_view name, std::string_view schema, Members members) const;
  // One of ours, described in web/openlineage: "mlforge_promotion" of a "Run" or a "Dataset".
  Members own_facet(std::string_view name, Members members, std::string_view entity = "Run") const;

  // A dataset: facets, and inputFacets or outputFacets.
  std::string dataset(std::string_view name, const Members& facets, std::string_view more_name = {},
                      const Members& more = {}) const;
  Members version(std::string_view version) const;  // facet
  Members parent(std::string_view run, std::string_view job) const;

  struct Run {
    std::string id, job;
    std::string job_type = "JOB";
    Members facets;
    std::vector<std::string> inputs, outputs;
  };
  std::string event(std::string_view type, const Run& run) const;
  // START and its end.
  std::vector<std::string> whole(const Run& run, std::string_view end = "COMPLETE") const;

 private:
  const EventView& event_;
  std::string name_space_, producer_, schemas_;
};

}  // namespace mlforge::actors::lineage
