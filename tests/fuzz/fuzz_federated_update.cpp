// Files that federated clients and sites upload. What passes every check is summed up to a finite model, and a site's
// sum that is written again is the same sum.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "sedna/federated/partial_sum.hpp"
#include "sedna/federated/rules.hpp"

namespace {

using namespace sedna;
using namespace sedna::federated;

Bytes joined(const std::vector<Bytes>& parts) {
  std::string text;
  for (const Bytes& part : parts) text += part.text();
  return Bytes::from_string(std::move(text));
}

void add_up(Update update, bool strict) {
  RuleOptions options;
  options.strict = strict;
  Rules rules = Rules::make(options);
  RoundSum sum(rules, nullptr);
  if (!sum.check(update)) return;
  sum.add(std::move(update));
  // An Error here is a job that fails because of one client.
  if (sum.finish(1).model.weights.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes file = Bytes::copy_of(std::as_bytes(std::span(data, size)));
  const auto read = tensor::read_safetensors(file);
  if (!read) return 0;
  const bool sum = is_partial_sum(read->header.metadata);
  const auto update = sum ? read_partial_sum(file, "a") : read_update_file(file, "a");
  if (sum && update.has_value() != (check_partial_sum_header(read->header, Manifest()).has_value() &&
                                    read_update_info(read->header.metadata).has_value())) {
    std::abort();
  }
  if (!update ||
      (sum ? check_partial_sum(*update, Manifest()) : check_update(*update, Manifest())).has_value() == false) {
    return 0;
  }
  if (!sum && update->weights.empty()) return 0;
  if (sum) {
    const Bytes again = joined(write_partial_sum({1, update->weight, 0, {}, {}}, *update->partial));
    const auto back = read_partial_sum(again, "a");
    if (!back || back->partial->clients != update->partial->clients || back->partial->total != update->partial->total) {
      std::abort();
    }
    for (std::size_t i = 0; i < back->partial->sums.size(); ++i) {
      if (back->partial->sums[i].data.text() != update->partial->sums[i].data.text()) std::abort();
    }
  }
  add_up(*update, false);
  add_up(*update, true);
  return 0;
}
