// What a KubeClient reads from outside: kubeconfigs, the body of a watch in pieces of any size, Status bodies. The
// first byte chooses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/store/kube/kube_connection.hpp"
#include "sedna/store/kube/kubeconfig.hpp"
#include "sedna/store/kube/watch_lines.hpp"

namespace {

using sedna::store::WatchLines;

void kube_config(std::string_view text) {
  const auto config = sedna::store::parse_kube_config({{"/folder/config", std::string(text)}}, {}, true);
  if (!config) return;
  // What was accepted can be written down and read again, and means the same.
  const auto back = sedna::store::parse_kube_config({{"/elsewhere/config", write_kube_config(*config)}}, {}, true);
  if (!back || back->server != config->server || back->token != config->token || back->ca_pem != config->ca_pem ||
      back->cert_file != config->cert_file || back->ns != config->ns) {
    std::abort();
  }
}

void watch(std::string_view text) {
  constexpr std::size_t kMaxLine = 256;
  const std::size_t piece = text.empty() ? 1 : 1 + static_cast<unsigned char>(text.front()) % 64;
  WatchLines lines(kMaxLine);
  while (!text.empty()) {
    const std::string_view part = text.substr(0, piece);
    text.remove_prefix(part.size());
    if (!lines.feed(std::as_bytes(std::span(part.data(), part.size())))) return;
    while (const auto line = lines.next()) {
      if (line->empty() || line->find('\n') != std::string_view::npos) std::abort();
      static_cast<void>(sedna::store::parse_watch_event(*line));
    }
    if (lines.buffered() > kMaxLine + piece) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'k') {
    kube_config(text);
  } else if (data[0] == 'w') {
    watch(text);
  } else {
    const auto status = sedna::store::status_of_answer(500, text);
    static_cast<void>(sedna::store::Status::from_json(status.to_json(), status.code));
  }
  return 0;
}
