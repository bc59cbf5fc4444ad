// What becomes of an update that comes after its round has closed. Without more it is answered with the newest model
// and counts for nothing. With
//   carry[,maxStaleness=10,staleness=polynomial,a=0.5,b=4]
// it counts in the round that is open then, as FedBuff counts it: its change, scaled by its age (staleness.hpp), from
// the model that is newest. A round of updates that are all its own is what the algorithm makes of it, bit for bit.
// Nguyen et al., "Federated Learning with Buffered Asynchronous Aggregation", AISTATS 2022, has the scale.
#pragma once

#include <memory>

#include "sedna/federated/algorithm.hpp"

namespace sedna::federated {

/// `inner` with the policy around it; `inner` itself for "discard". Throws Error(kInvalidArgument).
std::unique_ptr<Algorithm> with_late_policy(std::unique_ptr<Algorithm> inner, std::string_view policy);

/// An update's weights as if it had begun with `now`, its change scaled by `scale`.
Weights moved_to(const Update& update, const Weights& now, double scale);

}  // namespace sedna::federated
