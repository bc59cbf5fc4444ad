// Differential privacy for clients: every update is cut to a length C and counts alike, and the sum gets Gaussian noise
// of standard deviation z·C before it is divided by their number. Whether a client took part is then hidden to a degree
// that the accountant adds up over the rounds. Called by RoundSum and by the aggregation server. McMahan et al.,
// "Learning Differentially Private Recurrent Language Models", ICLR 2018; Mironov, "Rényi Differential Privacy", CSF
// 2017; the conversion is that of Canonne, Kamath, Steinke, "The Discrete Gaussian", NeurIPS 2020, prop. 12.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sedna/federated/aggregation.hpp"

namespace sedna::federated {

struct PrivacyOptions {
  PrivacyOptions() {}
  /// "1.1" or "1.1,delta=1e-6": the noise multiplier z. Throws Error(kInvalidArgument).
  explicit PrivacyOptions(const std::string& text);
  double noise = 0;  ///< z
  double delta = 1e-5;
};

/// ε after `rounds` rounds of the Gaussian mechanism with multiplier z, each client in every round: the least over the
/// orders α of rounds·α/(2z²) + log((α−1)/α) − (log δ + log α)/(α−1). Infinite without noise.
double gaussian_epsilon(double noise, std::size_t rounds, double delta);

/// Adds independent normal values of standard deviation `sigma` to every element, from the operating system's
/// cryptographic generator (the seed could otherwise be guessed from a published model). Values keep their dtype.
void add_gaussian_noise(Weights& weights, double sigma);

/// Normal values for tests of the sampler: `count` draws of standard deviation 1.
std::vector<double> gaussian_draws(std::size_t count);

}  // namespace sedna::federated
