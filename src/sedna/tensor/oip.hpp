// The Open Inference Protocol v2 over HTTP: requests, answers and the small documents around them, in JSON and with raw
// little-endian tensors behind the JSON. Called by the model server (decode request, encode response) and by the edge's
// client (encode request, decode response). Pure functions over bytes; no I/O, no copies of tensors that lie aligned.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::tensor::oip {

/// Header field that tells how many bytes of the body are JSON; absent when all are.
inline constexpr std::string_view kHeaderLengthField = "Inference-Header-Content-Length";

struct Limits {
  std::size_t max_json_bytes = std::size_t{256} << 20;
  std::size_t max_tensors = 1024;
  std::size_t max_rank = 32;
};

struct RequestedOutput {
  std::string name;
  std::optional<bool> binary_data;   ///< unset: the request's binary_data_output
  std::uint32_t classification = 0;  ///< top-k wanted instead of the tensor; 0 = no
};

struct InferRequest {
  std::string model;  ///< from the path; the codec leaves model and version alone
  std::string version;
  std::string id;
  std::uint64_t priority = 0;    ///< 1 is the highest, 0 the model's default
  std::uint64_t timeout_us = 0;  ///< 0: none
  bool binary_data_output = false;
  std::string parameters;  ///< the other parameters, as the text of a JSON object; empty when there are none
  std::vector<Tensor> inputs;
  std::vector<RequestedOutput> outputs;  ///< empty: all
};

struct InferResponse {
  std::string model;
  std::string version;
  std::string id;
  std::string parameters;  ///< text of a JSON object; empty when there are none
  std::vector<Tensor> outputs;
};

/// A body ready for a gathered write: JSON, then slices of the tensors' own bytes.
struct EncodedBody {
  std::vector<Bytes> parts;
  std::optional<std::size_t> header_length;  ///< for kHeaderLengthField; unset when the body is JSON only
  std::size_t size() const;
  std::string to_string() const;
};

/// The JSON part of a body that arrives in pieces: what is known before the tensors are there. The server can receive
/// each binary tensor into aligned storage of its own.
template <class Message>
struct Head {
  Message message;  ///< tensors with binary data have none yet
  struct BinaryPart {
    std::size_t tensor = 0;  ///< index into inputs or outputs
    std::size_t size = 0;
  };
  std::vector<BinaryPart> binary;  ///< in the order of the body
  std::size_t binary_size = 0;     ///< their sum
};
using RequestHead = Head<InferRequest>;
using ResponseHead = Head<InferResponse>;

/// Reads the JSON part. Errors name the field: "inputs[0].shape[1]: dimension is -1; it must be 0 or more".
Result<RequestHead> decode_request_head(std::string_view json, const Limits& limits = {});
/// Completes a request with one Bytes for each of head.binary, in order. A part that is not aligned for its dtype is
/// copied, others are kept.
Result<InferRequest> attach(RequestHead head, std::vector<Bytes> parts);
/// A whole body, any content-encoding removed. `header_length` is the value of kHeaderLengthField, if there was one (0
/// means a raw request: see decode_raw_request). Tensors are slices of the body where it is aligned for them.
Result<InferRequest> decode_request(const Bytes& body, std::optional<std::size_t> header_length,
                                    const Limits& limits = {});

/// What metadata says of a tensor; -1 in the shape is a variable dimension.
struct TensorMetadata {
  std::string name;
  DType dtype = DType::kFp32;
  Shape shape;  ///< batch dimension included
};

/// A raw request (header length 0): the body is the one input of the model, batch 1, at most one variable dimension;
/// all outputs are wanted as binary data. `batched`: the first dimension is the batch.
Result<InferRequest> decode_raw_request(const Bytes& body, const TensorMetadata& input, bool batched);

struct EncodeOptions {
  bool binary = true;  ///< requests: inputs as binary data; false: JSON (not for FP16, BF16)
  /// Pads the JSON part with spaces to a multiple of 64 bytes, so that tensors received in one aligned buffer lie
  /// aligned and need no copy. Peers do not notice.
  bool pad_header = true;
  EncodeOptions() {}
};

/// The answer to `request`: its outputs if it names some (an unknown name is an error), else all; each binary or JSON
/// as asked. An output with `classification` becomes BYTES "score:index" of the top classes.
Result<EncodedBody> encode_response(const InferResponse& response, const InferRequest& request,
                                    const EncodeOptions& options = {});
/// A request as a stock client sends it; binary_data_output is announced unless outputs are named.
Result<EncodedBody> encode_request(const InferRequest& request, const EncodeOptions& options = {});
Result<InferResponse> decode_response(const Bytes& body, std::optional<std::size_t> header_length,
                                      const Limits& limits = {});
Result<ResponseHead> decode_response_head(std::string_view json, const Limits& limits = {});
Result<InferResponse> attach(ResponseHead head, std::vector<Bytes> parts);

/// {"error":"…"}
std::string error_json(std::string_view message);

}  // namespace sedna::tensor::oip
