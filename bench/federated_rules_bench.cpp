// What combining a round costs by rule: N updates of M float32 in memory. bench/federated.py drives it.
//   federated_rules_bench M N      prints {"copy": s, "mean": s, "strict": s, "Median": s, …}: copy is reading them all
//   once
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

#include "sedna/federated/rules.hpp"

int main(int argc, char** argv) {
  using namespace sedna;
  using namespace sedna::federated;
  if (argc != 3) return 2;
  const std::size_t params = std::strtoull(argv[1], nullptr, 10);
  const std::size_t clients = std::strtoull(argv[2], nullptr, 10);
  const auto tensor_of = [&](std::size_t seed) {
    std::minstd_rand fast(static_cast<unsigned>(seed + 1));
    AlignedBuffer buffer(params * sizeof(float));
    auto* values = reinterpret_cast<float*>(buffer.data());
    for (std::size_t k = 0; k < params; ++k) values[k] = static_cast<float>(fast()) * 1e-9F;
    tensor::Tensor t;
    t.dtype = tensor::DType::kFp32;
    t.shape = {static_cast<std::int64_t>(params)};
    t.data = std::move(buffer).freeze();
    return t;
  };
  std::vector<Update> updates;
  for (std::size_t i = 0; i < clients; ++i) updates.push_back({"c" + std::to_string(1000 + i), 3, {tensor_of(i)}});
  const auto base = std::make_shared<const Model>(Model{0, {tensor_of(clients)}, {}});
  const auto seconds = [](auto&& work) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      work();
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
  };
  std::vector<std::byte> into(params * sizeof(float));
  std::printf("{\"copy\": %.6f", seconds([&] {
                for (const Update& u : updates) std::memcpy(into.data(), u.weights.front().data.data(), into.size());
              }));
  const auto run = [&](const char* name, const RuleOptions& options) {
    Rules rules = Rules::make(options);
    std::printf(", \"%s\": %.6f", name, seconds([&] {
                  RoundSum sum(rules, base);
                  for (const Update& u : updates) sum.add(u);
                  sum.finish(clients);
                }));
    std::fflush(stdout);
  };
  RuleOptions options;
  run("mean", options);
  options.clip = "median";
  run("clip", options);
  options.clip.clear();
  options.strict = true;
  run("strict", options);
  options.strict = false;
  for (const char* rule : {"Median", "TrimmedMean,b=1", "Krum,f=2", "MultiKrum,f=2", "GeometricMedian"}) {
    options.robust = rule;
    run(std::string(rule).substr(0, std::string(rule).find(',')).c_str(), options);
  }
  options.robust = "TrimmedMean,b=" + std::to_string(std::max<std::size_t>(1, clients / 10));
  run("TrimmedMean10", options);
  std::printf("}\n");
  return 0;
}
