// The body of upstream's predict route, {"data": [...], "callback": "name", …}: fields and typed data without a tree of
// the data. Called by the model server. What upstream refuses is refused with its very answer (FastAPI's 422 texts).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sedna/base/buffer.hpp"
#include "sedna/json/scanner.hpp"
#include "sedna/tensor/json_tensor.hpp"

namespace sedna::tensor {

struct PredictBody {
  JsonArray data;
  Bytes data_text;                      ///< the JSON of `data`, a slice of the body: for what `data` calls generic
  std::optional<std::string> callback;  ///< numbers and booleans as Python's str() has them, as upstream coerces
  std::vector<std::pair<std::string, std::string_view>> others;  ///< further members: name and JSON text
};

/// An answer instead: upstream's status and body.
struct PredictRefusal {
  int status = 422;
  std::string body;  ///< JSON
};

/// `content_type` is the header's value, empty when absent (then JSON is assumed, as upstream does).
std::variant<PredictBody, PredictRefusal> parse_predict_body(const Bytes& body, std::string_view content_type,
                                                             const json::Limits& limits);

/// The body of a predict request as upstream's client writes it: the other members, then data.
/// `others` is the text of a JSON object ("{}" for none); `data` is the JSON of the list.
std::string make_predict_body(std::string_view others, std::string_view data);

}  // namespace sedna::tensor
