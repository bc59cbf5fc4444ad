#include "sedna/gm/inbox.hpp"

namespace sedna::gm {

void Inbox::put(const std::string& key, Fact fact) {
  const std::lock_guard lock(mutex_);
  Slot& slot = objects_[key][{fact.node, fact.worker}];
  ++slot.version;
  // The version within this slot is what acknowledge() compares; the fact's own sequence is the sender's business.
  if (fact.acknowledge) slot.acknowledges.emplace_back(slot.version, std::move(fact.acknowledge));
  fact.acknowledge = nullptr;
  slot.fact = std::move(fact);
}

std::vector<Fact> Inbox::waiting(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  std::vector<Fact> out;
  const auto it = objects_.find(key);
  if (it == objects_.end()) return out;
  for (const auto& [name, slot] : it->second) {
    out.push_back(slot.fact);
    out.back().version = slot.version;
  }
  return out;
}

bool Inbox::empty(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return !objects_.contains(key);
}

void Inbox::acknowledge(const std::string& key, const std::vector<Fact>& facts) {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    const auto object = objects_.find(key);
    if (object == objects_.end()) return;
    for (const auto& fact : facts) {
      const auto it = object->second.find({fact.node, fact.worker});
      if (it == object->second.end()) continue;
      Slot& slot = it->second;
      std::erase_if(slot.acknowledges, [&](auto& entry) {
        if (entry.first > fact.version) return false;
        calls.push_back(std::move(entry.second));
        return true;
      });
      if (slot.version <= fact.version) object->second.erase(it);
    }
    if (object->second.empty()) objects_.erase(object);
  }
  for (const auto& call : calls) call();
}

void Inbox::drop(const std::string& key) {
  acknowledge(key, waiting(key));
}

std::size_t Inbox::size() const {
  const std::lock_guard lock(mutex_);
  std::size_t n = 0;
  for (const auto& [key, slots] : objects_) n += slots.size();
  return n;
}

}  // namespace sedna::gm
