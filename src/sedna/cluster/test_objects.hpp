// Objects for tests, from JSON text.
#pragma once

#include <memory>
#include <string_view>

#include "sedna/control/object_cache.hpp"

namespace sedna::cluster::test {

inline api::Object object(std::string_view text) {
  return json::parse(text).value().as_object();
}
inline control::ObjectPtr pointer(api::Object o) {
  return std::make_shared<const api::Object>(std::move(o));
}

}  // namespace sedna::cluster::test
