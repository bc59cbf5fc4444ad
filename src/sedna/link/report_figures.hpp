// The figures of an edge worker's report in the words of a JointInferenceService's status. The GlobalManager writes
// them there; a local controller tells them to whoever wants them sooner.
#pragma once

#include <cstdint>
#include <string_view>

#include "sedna/api/object.hpp"

namespace sedna::link {

/// {inferences, hardExamples, uploads, uploadRatio, uploadBytes, fallbacks, latencyMilliseconds, errors} of a fact:
/// {ownerInfo: upstream's figures, statistics: ours}. What is no number is 0 or left out.
json::object report_figures(const json::object& fact);

/// 0 when it is not there or no number.
double number_at(const json::object& o, std::string_view name);
/// The same for counts, of which sums stay whole numbers.
std::int64_t count_at(const json::object& o, std::string_view name);
/// A share with four digits: enough for a person, and it does not change with every sample.
double ratio_of(std::int64_t part, std::int64_t whole);

}  // namespace sedna::link
