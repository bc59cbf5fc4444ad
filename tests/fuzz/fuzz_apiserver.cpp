// What the API server reads from clients before it knows them better: paths, queries, continue tokens, Kubernetes'
// protobuf. The first byte chooses.
#include <cstdint>
#include <string_view>

#include "sedna/apiserver/answers.hpp"
#include "sedna/apiserver/protobuf.hpp"
#include "sedna/apiserver/request_info.hpp"
#include "sedna/json/json.hpp"
#include "sedna/store/embedded/continue_token.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'p': {
      const auto object = apiserver::parse_protobuf(text);
      if (object && json::write(*object).empty()) __builtin_trap();
      break;
    }
    case 'c': {
      const auto token = store::embedded::ContinueToken::parse(text);
      if (!token) break;
      const auto again = store::embedded::ContinueToken::parse(token->text());
      if (!again || again->start != token->start || again->resource_version != token->resource_version) {
        __builtin_trap();
      }
      break;
    }
    case 'a':
      static_cast<void>(apiserver::wanted_shape(text, {}));
      break;
    default: {
      const std::size_t mark = text.find('?');
      const auto query = apiserver::Query::parse(mark == std::string_view::npos ? "" : text.substr(mark + 1));
      if (!query) break;
      const auto info = apiserver::parse_request("GET", text.substr(0, mark), *query);
      if (info && info->kind == nullptr) __builtin_trap();
      break;
    }
  }
  return 0;
}
