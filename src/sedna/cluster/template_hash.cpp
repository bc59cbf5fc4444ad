// The hash that tells the Pods of one template from those of another.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "sedna/cluster/rollout.hpp"

namespace sedna::cluster {

namespace {

class Fnv {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) {
      hash_ ^= static_cast<unsigned char>(c);
      hash_ *= 1099511628211U;
    }
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 14695981039346656037U;
};

void add(Fnv& hash, const json::value& v) {
  if (v.is_object()) {
    const auto& o = v.get_object();
    std::vector<std::string_view> keys;
    for (const auto& entry : o) {
      // null is the same as absent, as everywhere in Kubernetes' objects
      if (!entry.value().is_null()) keys.emplace_back(entry.key());
    }
    std::ranges::sort(keys);
    hash.add("{");
    for (const auto key : keys) {
      std::string quoted;
      json::append_string(quoted, key);
      hash.add(quoted);
      add(hash, o.at(key));
    }
    hash.add("}");
  } else if (v.is_array()) {
    hash.add("[");
    for (const auto& one : v.get_array()) {
      add(hash, one);
      hash.add(",");
    }
    hash.add("]");
  } else {
    hash.add(json::write(v));
    hash.add(";");
  }
}

}  // namespace

std::string template_hash(const json::value& pod_template) {
  Fnv hash;
  add(hash, pod_template);
  // Kubernetes' alphabet for this: no vowels, so that no word appears.
  static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  auto rest = hash.value();
  for (int i = 0; i < 10; ++i, rest /= kAlphabet.size()) out += kAlphabet[rest % kAlphabet.size()];
  return out;
}

}  // namespace sedna::cluster
