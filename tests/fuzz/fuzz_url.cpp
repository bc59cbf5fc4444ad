// URLs, references and the percent codec: what is accepted must be safe to put into a request and parse the same again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/net/http.hpp"

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

void check(const sedna::net::Url& url) {
  require(!url.host.empty());
  require(!url.target.empty() && url.target.front() == '/');
  for (const char c : url.target) require(c > 0x20 && c < 0x7f);
  for (const char c : url.authority()) require(c > 0x20 && c < 0x7f && c != '@' && c != '/');
  const auto again = sedna::net::parse_url(url.scheme + "://" + url.authority() + url.target);
  require(again.has_value());
  require(again->host == url.host && again->port == url.port && again->target == url.target);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto url = sedna::net::parse_url(text);
  if (url) {
    check(*url);
  } else {
    // No user:password in what is shown; a path may have an @.
    const std::string& shown = url.error().subject();
    const std::size_t scheme = shown.find("://");
    const std::size_t from = scheme == std::string::npos ? 0 : scheme + 3;
    const std::size_t end = scheme == std::string::npos ? shown.size() : shown.find('/', from);
    require(std::string_view(shown).substr(from, end - from).find('@') == std::string_view::npos);
  }
  const sedna::net::Url base = sedna::net::parse_url("http://h:8080/a/b?c").value();
  if (const auto relative = sedna::net::resolve_reference(base, text)) check(*relative);
  for (const bool plus : {false, true}) {
    const auto decoded = sedna::net::percent_decode(text, plus);
    if (decoded) require(decoded->find('\0') == std::string::npos && decoded->size() <= size);
  }
  const std::string encoded = sedna::net::percent_encode(text, "/");
  if (text.find('\0') == std::string_view::npos) {
    const auto back = sedna::net::percent_decode(encoded);
    require(back.has_value() && *back == text);
  }
  return 0;
}
