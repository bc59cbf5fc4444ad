// What travels between GM and the local controllers. Two protocols on one port: upstream's envelope, for upstream's
// local controllers, and our own messages (docs/protocols/link.md). Parsers of outside bytes; nothing else spells them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/json/json.hpp"

namespace sedna::link {

inline constexpr std::size_t kMaxFrame = std::size_t{8} << 20;
inline constexpr std::string_view kSubprotocol = "sedna.link.v1";
inline constexpr int kVersion = 1;

// ---- upstream's ----

/// {"header": {"namespace", "resourceKind", "resourceName", "operation"}, "content": base64 of JSON}.
struct UpstreamFrame {
  UpstreamFrame() {}
  std::string ns;
  std::string kind;  ///< lower case, as decode_upstream gives it; upstream's LC sends both spellings
  std::string name;
  std::string operation;  ///< insert, update, delete, status; "" in the bare header that LC begins with
  json::object content;   ///< empty when there is none
};

Result<UpstreamFrame> decode_upstream(std::string_view text);
/// Members in upstream's order, strings escaped as Go does.
std::string encode_upstream(const UpstreamFrame& frame);

// ---- ours ----

/// One object that a node should know, by kind and key.
struct StateKey {
  std::string kind;  ///< "Dataset"
  std::string key;   ///< "namespace/name"
  auto operator<=>(const StateKey&) const = default;
};

struct Message {
  enum class Type : std::uint8_t {
    kHello,   ///< LC → GM, first: who it is and which versions it knows
    kObject,  ///< GM → LC: the newest version of an object
    kGone,    ///< GM → LC: the node no longer needs it
    kSynced,  ///< GM → LC: everything the node should know has been sent; what is not among it is gone
    kFact,    ///< LC → GM
    kAck,     ///< GM → LC: the fact is in an object's status; or will never be (`refused`)
    kPing,    ///< either way, answered by kPong with the same `sequence`
    kPong,
  };
  Message() {}
  Type type = Type::kPing;
  std::uint64_t sequence = 0;
  // kHello
  std::string node, id;
  int version = kVersion;
  std::map<StateKey, std::string> known;  ///< resourceVersions
  // kObject, kGone, kFact
  StateKey subject;
  std::string resource_version;
  json::object body;    ///< of an object: all of it; of a fact: what it says
  std::string worker;   ///< of a fact: what tells workers of one object apart
  std::string refused;  ///< kAck: why the fact was of no use; "" when it was
};

Result<Message> decode(std::string_view text);
std::string encode(const Message& message);

}  // namespace sedna::link
