// (tenant, name) as the key of a hash table: looked up by views, kept with memory of its own.
#pragma once
#include <string>
#include <string_view>

#include "events/quick_hash.hpp"

namespace mlforge::storage {

struct StreamName {  // also (tenant, command id)
  std::string_view tenant;
  std::string_view name;
  bool operator==(const StreamName&) const = default;
};

class StreamKey {
 public:
  explicit StreamKey(StreamName name) : tenant_bytes_(name.tenant.size()) {
    text_.reserve(name.tenant.size() + name.name.size());
    text_.append(name.tenant).append(name.name);
  }
  StreamName name() const {
    const std::string_view text = text_;
    return {text.substr(0, tenant_bytes_), text.substr(tenant_bytes_)};
  }

 private:
  std::string text_;
  std::size_t tenant_bytes_;
};

struct StreamKeyHash {
  using is_transparent = void;
  std::size_t operator()(const StreamName& n) const {
    return quick_hash(n.name, quick_hash(n.tenant));
  }
  std::size_t operator()(const StreamKey& k) const { return (*this)(k.name()); }
};

struct StreamKeyEqual {
  using is_transparent = void;
  bool operator()(const StreamKey& a, const StreamKey& b) const { return a.name() == b.name(); }
  bool operator()(const StreamKey& a, const StreamName& b) const { return a.name() == b; }
  bool operator()(const StreamName& a, const StreamKey& b) const { return a == b.name(); }
};

}  // namespace mlforge::storage
