#include "sedna/node/data_source.hpp"

#include "sedna/base/base64.hpp"

namespace sedna::node {

Result<std::optional<Data>> fetch_data(store::ApiServer& server, const std::string& ns, Source source,
                                       const std::string& name) {
  const auto& kind = source == Source::kSecret ? api::kinds::kSecret : api::kinds::kConfigMap;
  const auto object = server.get(kind, ns, name);
  if (!object) {
    if (object.status().is_not_found()) return std::optional<Data>();
    return object.status().to_error();
  }
  Data out;
  const auto add = [&](const char* member, bool encoded) -> Result<void> {
    const auto* data = api::object_at(*object, {member});
    if (data == nullptr) return {};
    for (const auto& entry : *data) {
      if (!entry.value().is_string()) continue;
      std::string text(entry.value().get_string());
      if (encoded) {
        auto decoded = base64_decode(text);
        if (!decoded) {
          return Error(ErrorCode::kInvalidArgument, "is not base64",
                       std::string(kind.kind) + " " + name + "." + std::string(entry.key()));
        }
        text = std::move(*decoded);
      }
      out.emplace_back(std::string(entry.key()), std::move(text));
    }
    return {};
  };
  auto read = add("data", source == Source::kSecret);
  if (read && source == Source::kConfigMap) read = add("binaryData", true);
  if (!read) return read.error();
  return std::optional<Data>(std::move(out));
}

}  // namespace sedna::node
