// Keys of one table that differ in their last part most of the time.
#pragma once
#include <string>
#include <string_view>

#include "projections/view_key.hpp"

namespace mlforge::projections {

// view_key(projection, tenant, table, entity), whose beginning is kept from one call to the next,
// as most events that follow each other are of one tenant. One thread.
class EntityKey {
 public:
  // Of literals.
  EntityKey(std::string_view projection, std::string_view table)
      : projection_(projection), table_(table) {}

  // Valid until the next call.
  const std::string& of(std::string_view tenant, std::string_view entity) {
    if (start_ == 0 || tenant_ != tenant) {
      start_ = 0;
      tenant_ = tenant;
      key_ = view_prefix(projection_, tenant, table_);
      start_ = key_.size();
    }
    key_.resize(start_);
    append_part(key_, entity);
    return key_;
  }

 private:
  std::string_view projection_, table_;
  std::string tenant_, key_;
  std::size_t start_ = 0;  // of the last part
};

}  // namespace mlforge::projections
