#include "sedna/base/error.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::store {
namespace {

bool holds_list(const json::object& o) {
  for (const auto& member : o) {
    const json::value& v = member.value();
    if (v.is_array() || (v.is_object() && holds_list(v.get_object()))) return true;
  }
  return false;
}

}  // namespace

MergePatch::MergePatch(json::object body) : body_(std::move(body)) {
  SEDNA_CHECK(!holds_list(body_) || !api::resource_version_of(body_).empty());
}

MergePatch::MergePatch(json::object body, std::string_view resource_version) : body_(std::move(body)) {
  SEDNA_CHECK(!resource_version.empty());
  api::make_object(body_, {"metadata"})["resourceVersion"] = resource_version;
}

}  // namespace sedna::store
