#include "sedna/store/embedded/filter.hpp"

#include <algorithm>

#include "sedna/store/statuses.hpp"

namespace sedna::store::embedded {

Outcome<Filter> Filter::make(const Kind& kind, std::string_view ns, std::string_view labels, std::string_view fields) {
  Filter filter;
  if (kind.namespaced) filter.ns_ = ns;
  auto label_selector = api::LabelSelector::parse(labels);
  if (!label_selector) {
    return statuses::bad_request(label_selector.error().message());
  }
  auto field_selector = api::FieldSelector::parse(fields);
  if (!field_selector) return statuses::bad_request(field_selector.error().message());
  if (auto unsupported = field_selector->unsupported_for(kind)) return statuses::bad_request(*std::move(unsupported));
  filter.labels_ = *std::move(label_selector);
  filter.fields_ = *std::move(field_selector);
  return filter;
}

bool Filter::matches(const Stored& stored) const {
  if (!ns_.empty() && stored.ns() != ns_) return false;
  if (!labels_.empty() && !labels_.matches_labels(&stored.labels)) return false;
  const auto& terms = fields_.requirements();
  return std::all_of(terms.begin(), terms.end(), [&stored](const api::FieldSelector::Requirement& term) {
    return (stored.field(term.path) == term.value) == term.equal;
  });
}

}  // namespace sedna::store::embedded
