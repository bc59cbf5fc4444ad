#include "sedna/link/state_board.hpp"

#include <algorithm>

namespace sedna::link {

namespace {

/// What is gone is told to upstream's local controllers when they come back: so many of a node's objects.
constexpr std::size_t kMaxGone = 1000;

}  // namespace

void StateBoard::forget_oldest_gone(Node& node) {
  for (auto it = node.order.begin(); it != node.order.end(); ++it) {
    const auto entry = node.entries.find(it->second);
    if (!entry->second.gone) continue;
    node.entries.erase(entry);
    node.order.erase(it);
    --node.gone;
    return;
  }
}

void StateBoard::put(Node& node, Entry entry) {
  const auto old = node.entries.find(entry.subject);
  if (old != node.entries.end()) {
    node.order.erase(old->second.revision);
    if (old->second.gone) --node.gone;
    node.entries.erase(old);
  }
  if (entry.gone) ++node.gone;
  entry.revision = ++revision_;
  node.order[entry.revision] = entry.subject;
  node.entries[entry.subject] = std::move(entry);
  if (node.gone > kMaxGone) forget_oldest_gone(node);
}

void StateBoard::set(const StateKey& subject, const ObjectPtr& object, const std::string& version,
                     const std::set<std::string>& nodes) {
  std::set<std::string> touched;
  {
    const std::lock_guard lock(mutex_);
    const std::set<std::string> wanted = object == nullptr ? std::set<std::string>() : nodes;
    auto& places = places_[subject];
    for (const auto& name : wanted) {
      if (name.empty()) continue;
      Node& node = nodes_[name];
      const auto known = node.entries.find(subject);
      if (known != node.entries.end() && !known->second.gone && known->second.version == version) continue;
      Entry entry;
      entry.subject = subject;
      entry.object = object;
      entry.version = version;
      put(node, std::move(entry));
      touched.insert(name);
    }
    for (const auto& name : places) {
      if (wanted.contains(name)) continue;
      Node& node = nodes_[name];
      const auto known = node.entries.find(subject);
      if (known == node.entries.end() || known->second.gone) continue;
      Entry entry = known->second;
      entry.gone = true;
      put(node, std::move(entry));
      touched.insert(name);
    }
    places = wanted;
    if (places.empty()) places_.erase(subject);
  }
  const std::lock_guard lock(wake_mutex_);
  for (const auto& [id, subscriber] : subscribers_) {
    if (touched.contains(subscriber.first)) subscriber.second();
  }
}

std::vector<StateBoard::Entry> StateBoard::changes(const std::string& node, std::uint64_t revision,
                                                   std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> out;
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return out;
  for (auto it = found->second.order.upper_bound(revision); it != found->second.order.end() && out.size() < limit;
       ++it) {
    out.push_back(found->second.entries.at(it->second));
  }
  return out;
}

bool StateBoard::knows(const std::string& node, const StateKey& subject) const {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return false;
  const auto entry = found->second.entries.find(subject);
  return entry != found->second.entries.end() && !entry->second.gone;
}

std::size_t StateBoard::objects(const std::string& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? 0 : found->second.entries.size() - found->second.gone;
}

std::uint64_t StateBoard::subscribe(const std::string& node, std::function<void()> wake) {
  const std::lock_guard lock(wake_mutex_);
  const std::uint64_t id = next_subscription_++;
  subscribers_[id] = {node, std::move(wake)};
  return id;
}

void StateBoard::unsubscribe(std::uint64_t subscription) {
  const std::lock_guard lock(wake_mutex_);
  subscribers_.erase(subscription);
}

}  // namespace sedna::link
