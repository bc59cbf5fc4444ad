// Upstream's federated messages: JSON texts on a WebSocket. Weights go straight between the text and typed arrays.
// Called by the aggregation server and by its client.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/federated/aggregation.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {

/// One message as it came: its members but for "data", in their order.
struct Frame {
  std::string type;
  json::object members;  ///< "data" is null here when it is in `weights`
  /// Set for messages whose data has weights: update_weight and recv_weight.
  std::optional<Weights> weights;
  bool no_weights = false;        ///< recv_weight with null: the rule gave none
  json::object data;              ///< the other members of "data" (num_samples, round_number, exit_flag …)
  std::optional<Error> unusable;  ///< update_weight that is well-formed JSON, and why it is no update
};

/// Reads one message. Numbers become FP64 tensors without names; NaN and infinities are read (and refused later, by
/// name). An error when the text is not JSON or not an object.
Result<Frame> parse_frame(std::string_view text, std::size_t max_bytes);

/// Who sends, and for which round; empty and nothing where the message does not say.
std::string text_member(const json::object& members, std::string_view name);
std::optional<std::int64_t> integer_member(const json::object& members, std::string_view name);
/// "num_samples": a number, or one written as a string (upstream passes it through int()). NaN when it is neither.
double samples_of(const Frame& frame);

/// {"type": "subscribe", "client_id": …}; with the round that a client that comes back has.
std::string write_subscribe(const std::string& client, std::optional<std::int64_t> seen);
/// {"type": "CLIENT_JOIN", "data": …}
std::string write_joined(const std::string& client);
/// {"type": "update_weight", "client": …, "data": {"num_samples": …, "weights": […]}, "job_name": …, "round_number": …}
/// NaN and infinities are written as Python writes them. Throws Error for dtypes that have no form in JSON.
std::string write_update(const std::string& client, std::int64_t samples, const Weights& weights,
                         const std::string& job_name, std::optional<std::int64_t> round);
/// recv_weight in the members of the update that closed the round, as upstream echoes them. Throws Error for a model
/// that is not finite.
std::string write_model(const json::object& envelope, const Aggregate& model, std::int64_t round, bool last);
/// {"type": "update_refused", …}: how a client learns why its update does not count.
std::string write_refusal(const std::string& client, std::string_view outcome, std::string_view reason,
                          std::int64_t round);

}  // namespace sedna::federated
