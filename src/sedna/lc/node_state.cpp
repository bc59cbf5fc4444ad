#include "sedna/lc/node_state.hpp"

#include "sedna/api/object.hpp"
#include "sedna/base/log.hpp"

namespace sedna::lc {

namespace {

constexpr std::string_view kPrefix = "object/";
constexpr std::string_view kCredential = "sedna.io/credential";

std::string store_key(const link::StateKey& subject) {
  return std::string(kPrefix) + subject.kind + "/" + subject.key;
}

}  // namespace

NodeState::NodeState(journal::Journal& store) : store_(store) {
  for (const auto& entry : store_.find_all(kPrefix)) {
    const std::string_view rest = std::string_view(entry.key).substr(kPrefix.size());
    const auto slash = rest.find('/');
    auto parsed = json::parse(entry.data);
    if (slash == std::string_view::npos || !parsed || !parsed->is_object()) {
      log::error("a stored object cannot be read and is left out", {{"key", entry.key}});
      continue;
    }
    auto& o = parsed->get_object();
    Known known;
    known.version = api::string_at(o, {"version"});
    if (json::value* object = o.if_contains("object"); object != nullptr && object->is_object()) {
      known.object = std::make_shared<const json::object>(std::move(object->get_object()));
    }
    if (known.object == nullptr) continue;
    objects_[{std::string(rest.substr(0, slash)), std::string(rest.substr(slash + 1))}] = std::move(known);
  }
}

ObjectPtr NodeState::get(const link::StateKey& subject) const {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(subject);
  return it == objects_.end() ? nullptr : it->second.object;
}

std::vector<std::pair<std::string, ObjectPtr>> NodeState::list(const std::string& kind) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, ObjectPtr>> out;
  for (auto it = objects_.lower_bound({kind, {}}); it != objects_.end() && it->first.kind == kind; ++it) {
    out.emplace_back(it->first.key, it->second.object);
  }
  return out;
}

bool NodeState::connected() const {
  const std::lock_guard lock(mutex_);
  return up_;
}

std::string NodeState::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

std::map<link::StateKey, std::string> NodeState::known() {
  const std::lock_guard lock(mutex_);
  std::map<link::StateKey, std::string> out;
  for (const auto& [subject, known] : objects_) out[subject] = known.version;
  return out;
}

void NodeState::object(const link::StateKey& subject, const std::string& version, json::object object) {
  json::object stored{{"version", version}};
  stored["object"] = object;
  bool secret = false;
  if (json::value* metadata = stored["object"].get_object().if_contains("metadata");
      metadata != nullptr && metadata->is_object()) {
    if (json::value* annotations = metadata->get_object().if_contains("annotations");
        annotations != nullptr && annotations->is_object()) {
      secret = annotations->get_object().erase(kCredential) > 0;
    }
  }
  // Without its credential the stored one is not the version that GM knows: it is sent again after a restart.
  if (secret) stored["version"] = "";
  store_.replace(store_key(subject), json::write(stored));
  {
    const std::lock_guard lock(mutex_);
    objects_[subject] = {version, std::make_shared<const json::object>(std::move(object)), secret};
  }
  if (changed_) changed_(subject);
}

void NodeState::gone(const link::StateKey& subject) {
  store_.remove(store_key(subject));
  {
    const std::lock_guard lock(mutex_);
    objects_.erase(subject);
  }
  if (changed_) changed_(subject);
}

bool NodeState::complete() const {
  const std::lock_guard lock(mutex_);
  return complete_;
}

void NodeState::synced() {
  {
    const std::lock_guard lock(mutex_);
    complete_ = true;
  }
  if (synced_) synced_();
}

void NodeState::connected(bool up, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    up_ = up;
    problem_ = up ? std::string() : why;
  }
  if (up) log::info("linked to GM");
  if (on_link_) on_link_(up);
}

}  // namespace sedna::lc
