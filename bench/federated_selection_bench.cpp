// What choosing a round's clients costs: K among N that all have a history. bench/federated.py drives it.
//   federated_selection_bench N K   prints {"sort": s, "random": s, "weighted": s, "oort": s}: sort is one of N numbers
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "sedna/federated/selection.hpp"

int main(int argc, char** argv) {
  using namespace sedna::federated;
  if (argc != 3) return 2;
  const std::size_t clients = std::strtoull(argv[1], nullptr, 10);
  const std::size_t chosen = std::strtoull(argv[2], nullptr, 10);
  std::mt19937_64 random(7);
  std::vector<Candidate> candidates(clients);
  std::vector<double> numbers(clients);
  for (std::size_t i = 0; i < clients; ++i) {
    candidates[i].client = "client-" + std::to_string(1'000'000 + i);
    ClientHistory& history = candidates[i].history;
    history.updates = 1 + static_cast<std::int64_t>(random() % 20);
    history.last_round = 1 + static_cast<std::int64_t>(random() % 99);
    history.samples = 1 + static_cast<double>(random() % 1000);
    history.loss = 1e-3 * static_cast<double>(random() % 4000);
    history.seconds = 1 + static_cast<double>(random() % 300);
    numbers[i] = static_cast<double>(random());
  }
  const auto seconds = [](auto&& work) {
    double best = 1e9;
    for (int i = 0; i < 20; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      work();
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
  };
  std::printf("{\"sort\": %.7f", seconds([&] {
                auto copy = numbers;
                std::ranges::sort(copy);
              }));
  for (const char* policy : {"random", "weighted", "oort"}) {
    const auto selector = make_selector(policy);
    std::size_t found = 0;
    const double took = seconds([&] {
      Draw draw(1, 100, 0);
      found = selector->choose(candidates, chosen, 100, draw).size();
    });
    if (found != chosen) return 1;
    std::printf(", \"%s\": %.7f", policy, took);
  }
  std::printf("}\n");
  return 0;
}
