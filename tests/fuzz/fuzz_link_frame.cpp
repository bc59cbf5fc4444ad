// Frames of both link protocols: what is accepted comes back the same, whatever the peer sends.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/link/frame.hpp"

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto frame = sedna::link::decode_upstream(text)) {
    const auto again = sedna::link::decode_upstream(sedna::link::encode_upstream(*frame));
    require(again.has_value());
    require(again->kind == frame->kind && again->operation == frame->operation && again->content == frame->content);
  }
  if (const auto message = sedna::link::decode(text)) {
    const auto again = sedna::link::decode(sedna::link::encode(*message));
    require(again.has_value());
    require(again->type == message->type && again->sequence == message->sequence);
    require(again->subject == message->subject && again->known == message->known && again->body == message->body);
  }
  return 0;
}
