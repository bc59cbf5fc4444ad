// The head of a request that a Pod sends to the way out of its network.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/node/outlet.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto request = sedna::node::parse_proxy_request(text);
  if (!request) return 0;
  // What goes on has a target, one head, and nothing that was meant for us.
  if (request->host.empty() || request->port.empty()) std::abort();
  if (request->connect != request->head.empty()) std::abort();
  if (!request->head.empty() && request->head.find("\r\n\r\n") != request->head.size() - 4) std::abort();
  return 0;
}
