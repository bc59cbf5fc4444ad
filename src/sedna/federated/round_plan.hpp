// What an aggregation server says is to be done: the answer to GET …/plan, as a client reads it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {

struct RoundPlan {
  std::string version;
  std::string phase;
  std::string reason;
  std::string you;  ///< expected, committed, waiting (not chosen), closing, quarantined, left
  std::int64_t epoch = 0;
  std::int64_t round = 0;
  std::int64_t rounds = 0;
  std::int64_t model_round = -1;  ///< −1: there is none
  std::string model_url;
  std::string model_digest;
  double model_samples = 0;
  std::string codec;  ///< how to code updates; empty: not at all
  std::string algorithm;
  std::map<std::string, double> parameters;
  bool extra = false;
  bool steps = false;
  std::string sum;            ///< how sums of sites are made ("mean", "strict"); empty: none are taken
  std::string sum_clip;       ///< the length to which a site cuts its clients' updates; empty: none
  bool sum_alike = false;     ///< a site's clients weigh 1 each
  bool asynchronous = false;  ///< updates count however many models there have been since they began
};

/// An error when it is no plan; members of later versions are passed over.
Result<RoundPlan> read_round_plan(std::string_view text);

/// A member as text, number or flag; empty, 0 or false where it is absent or something else.
std::string json_text(const json::object& o, std::string_view name);
double json_number(const json::object& o, std::string_view name);
bool json_flag(const json::object& o, std::string_view name);

}  // namespace sedna::federated
