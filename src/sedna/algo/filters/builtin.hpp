// The preset filters' factories, one file each; only the registry calls them (users go through make_filter by name).
#pragma once

#include "sedna/algo/hard_example.hpp"

namespace sedna::algo {

using FilterPtr = std::unique_ptr<HardExampleFilter>;

// Upstream's seven, with its names, parameters and decisions.
FilterPtr make_threshold(const Parameters& parameters);
FilterPtr make_cross_entropy(const Parameters& parameters);
FilterPtr make_ibt(const Parameters& parameters);
FilterPtr make_random(const Parameters& parameters);
FilterPtr make_cloud_only(const Parameters& parameters);
FilterPtr make_edge_only(const Parameters& parameters);
FilterPtr make_bert_router(const Parameters& parameters);

// Ours.
FilterPtr make_msp(const Parameters& parameters);
FilterPtr make_margin(const Parameters& parameters);
FilterPtr make_entropy(const Parameters& parameters);
FilterPtr make_energy(const Parameters& parameters);
FilterPtr make_max_logit(const Parameters& parameters);
FilterPtr make_temperature_msp(const Parameters& parameters);
FilterPtr make_temperature_entropy(const Parameters& parameters);
FilterPtr make_box_count(const Parameters& parameters);
FilterPtr make_box_min_score(const Parameters& parameters);

}  // namespace sedna::algo
