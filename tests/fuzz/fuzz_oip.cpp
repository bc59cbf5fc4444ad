// Requests and answers of the Open Inference Protocol. Two bytes of header length (0xFFFF: none), then the body. What
// is accepted must be whole and must survive encoding and decoding again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/json/json.hpp"
#include "sedna/tensor/oip.hpp"
#include "sedna/tensor/oip_documents.hpp"

namespace {

using namespace sedna;
using namespace sedna::tensor;

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].dtype != b[i].dtype || a[i].shape != b[i].shape ||
        a[i].data.text() != b[i].data.text()) {
      return false;
    }
  }
  return true;
}

void check_request(const oip::InferRequest& request) {
  for (const Tensor& input : request.inputs) {
    if (!input.validate()) std::abort();
    const std::size_t unit = dtype_size(input.dtype);
    if (unit > 1 && !input.data.empty() && reinterpret_cast<std::uintptr_t>(input.data.data()) % unit != 0)
      std::abort();
  }
  const auto encoded = oip::encode_request(request);
  if (!encoded) std::abort();
  const std::string text = encoded->to_string();
  const auto again = oip::decode_request(Bytes::copy_of(text), encoded->header_length);
  if (!again || !same(again->inputs, request.inputs) || again->id != request.id) std::abort();

  oip::InferResponse response;
  response.model = "m";
  response.outputs = request.inputs;
  const auto answer = oip::encode_response(response, request);
  if (!answer) return;  // an output that is not there, a tensor without JSON form
  const auto back = oip::decode_response(Bytes::copy_of(answer->to_string()), answer->header_length);
  if (!back) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t length = data[0] | static_cast<std::size_t>(data[1]) << 8;
  const std::optional<std::size_t> header = length == 0xFFFF ? std::nullopt : std::optional(length);
  const Bytes body = Bytes::copy_of(std::string_view(reinterpret_cast<const char*>(data) + 2, size - 2));
  const auto request = oip::decode_request(body, header);
  if (request) check_request(*request);
  const auto response = oip::decode_response(body, header);
  if (response) {
    for (const Tensor& output : response->outputs) {
      if (!output.validate()) std::abort();
    }
  }
  const auto raw =
      oip::decode_raw_request(body, {"x", static_cast<DType>(data[0] % 14), {-1, data[1] % 5}}, (data[1] & 8) != 0);
  if (raw) check_request(*raw);
  const auto model = oip::parse_model_metadata(body.text());
  if (model && !oip::parse_model_metadata(oip::model_metadata_json(*model))) std::abort();
  return 0;
}
