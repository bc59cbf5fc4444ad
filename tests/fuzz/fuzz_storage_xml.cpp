// An object store's answers: listings and errors.
#include <cstdint>
#include <string_view>

#include "sedna/net/http.hpp"
#include "sedna/storage/s3.hpp"
#include "sedna/storage/url.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(sedna::storage::parse_list_page(text));
  static_cast<void>(sedna::storage::parse_content_range(text));
  static_cast<void>(sedna::storage::parse_storage_url(text));
  sedna::net::HttpResponse response;
  response.status = 403;
  response.body = sedna::Bytes::copy_of(text);
  static_cast<void>(sedna::storage::s3_error("GET", response, "s3://bucket/key"));
  return 0;
}
