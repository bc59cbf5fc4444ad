// CloudOnly and EdgeOnly (upstream's): every sample, or none; the two ends between which the others are measured.
//   hard = true      hard = false
#include "sedna/algo/filters/filter_base.hpp"

namespace sedna::algo {
namespace {

class Constant final : public FilterBase {
 public:
  Constant(std::string_view name, bool hard, const Parameters& parameters)
      : FilterBase(name, EdgeResult::Form::kProbabilities), hard_(hard) {
    set_ignored(ParameterReader(name, parameters).unknown());
  }
  Verdict judge(const EdgeResult&) const override { return verdict(hard_, hard_ ? 1 : 0); }

 private:
  bool hard_;
};

}  // namespace

FilterPtr make_cloud_only(const Parameters& parameters) {
  return std::make_unique<Constant>("CloudOnly", true, parameters);
}
FilterPtr make_edge_only(const Parameters& parameters) {
  return std::make_unique<Constant>("EdgeOnly", false, parameters);
}

}  // namespace sedna::algo
