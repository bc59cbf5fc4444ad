#include "sedna/gm/config.hpp"

#include <algorithm>
#include <fstream>

#include "sedna/base/error.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::gm {

namespace {

/// One mapping of the file; remembers which keys were asked for.
class Section {
 public:
  Section(const json::object& object, std::string path) : object_(object), path_(std::move(path)) {}

  const json::value* get(std::string_view name) {
    asked_.emplace_back(name);
    const json::value* v = object_.if_contains(name);
    return v == nullptr || v->is_null() ? nullptr : v;
  }
  void text(std::string_view name, std::string& into) {
    const json::value* v = get(name);
    if (v == nullptr) return;
    if (!v->is_string()) throw wrong(name, "must be text");
    into = std::string(v->get_string());
  }
  void port(std::string_view name, std::uint16_t& into) {
    const json::value* v = get(name);
    if (v == nullptr) return;
    if (!v->is_int64() || v->get_int64() < 0 || v->get_int64() > 65535) throw wrong(name, "must be a port, 0 to 65535");
    into = static_cast<std::uint16_t>(v->get_int64());
  }
  /// One of two words. Nothing when the key is not there.
  std::optional<bool> choice(std::string_view name, std::string_view yes, std::string_view no) {
    const json::value* v = get(name);
    if (v == nullptr) return std::nullopt;
    if (v->is_string() && std::string_view(v->get_string()) == yes) return true;
    if (v->is_string() && std::string_view(v->get_string()) == no) return false;
    throw wrong(name, "must be " + std::string(yes) + " or " + std::string(no));
  }
  std::optional<Section> section(std::string_view name) {
    const json::value* v = get(name);
    if (v == nullptr) return std::nullopt;
    if (!v->is_object()) throw wrong(name, "must be a mapping");
    return Section(v->get_object(), path_ + std::string(name) + ".");
  }
  void tell_unknown(std::vector<std::string>& warnings) const {
    for (const auto& [key, value] : object_) {
      if (std::find(asked_.begin(), asked_.end(), std::string_view(key)) == asked_.end()) {
        warnings.push_back(path_ + std::string(key) + " means nothing to sedna-gm");
      }
    }
  }
  Error wrong(std::string_view name, const std::string& what) const {
    return {ErrorCode::kInvalidArgument, what, path_ + std::string(name)};
  }

 private:
  const json::object& object_;
  std::string path_;
  std::vector<std::string> asked_;
};

}  // namespace

Config parse_config(std::string_view yaml, const std::string& file) {
  const auto document = json::parse_yaml_one(yaml);
  if (!document) throw document.error().within(file + ": ");
  Config out;
  if (document->is_null()) return out;
  if (!document->is_object()) throw Error(ErrorCode::kInvalidArgument, "must hold a YAML mapping", file);
  Section top(document->get_object(), {});
  top.text("kubeConfig", out.kube_config);
  top.text("master", out.master);
  top.text("namespace", out.ns);
  if (auto websocket = top.section("websocket")) {
    websocket->text("address", out.link_address);
    websocket->port("port", out.link_port);
    websocket->text("tokenFile", out.link_token_file);
    websocket->text("tlsCert", out.link_tls_cert);
    websocket->text("tlsKey", out.link_tls_key);
    websocket->tell_unknown(out.warnings);
  }
  if (auto lc = top.section("localController")) {
    lc->text("server", out.lc_server);
    lc->tell_unknown(out.warnings);
  }
  if (auto kb = top.section("knowledgeBaseServer")) {
    kb->text("server", out.knowledge_base_server);
    kb->tell_unknown(out.warnings);
  }
  if (auto initializer = top.section("storageInitializer")) {
    initializer->text("image", out.storage_initializer_image);
    initializer->tell_unknown(out.warnings);
  }
  out.security_required = top.choice("security", "required", "plaintext").value_or(false);
  out.legacy_allow = top.choice("legacyLocalControllers", "allow", "deny");
  // Watches need no resync here; upstream's files have the key.
  static_cast<void>(top.get("minResyncPeriodSeconds"));
  top.tell_unknown(out.warnings);
  return out;
}

Config load_config(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw Error(ErrorCode::kNotFound, "cannot be read", "configuration file " + file);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return parse_config(text, file);
}

}  // namespace sedna::gm
