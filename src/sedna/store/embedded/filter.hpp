// Which objects a list or a watch is about: a namespace, a label selector and a field selector. Internal to
// store/embedded.
#pragma once

#include <string>
#include <string_view>

#include "sedna/api/selector.hpp"
#include "sedna/store/embedded/stored.hpp"
#include "sedna/store/outcome.hpp"

namespace sedna::store::embedded {

class Filter {
 public:
  /// A status (400) for a selector that is malformed or asks for a field that the kind does not offer.
  static Outcome<Filter> make(const Kind& kind, std::string_view ns, std::string_view labels, std::string_view fields);
  bool matches(const Stored& stored) const;
  const std::string& ns() const { return ns_; }
  /// No selector: every object of the namespace.
  bool selects_all() const { return labels_.empty() && fields_.empty(); }

 private:
  std::string ns_;
  api::LabelSelector labels_;
  api::FieldSelector fields_;
};

}  // namespace sedna::store::embedded
