#include "filters.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind.hpp"
#include "convert.hpp"

namespace sedna::python {
namespace {

algo::Verdict judge(const Filter& self, nb::handle result) {
  thread_local std::vector<double> values;
  values.clear();
  const auto form = self.rule->form();
  const bool valid = read_values(result, form, values);
  return self.rule->judge(algo::EdgeResult{form, values, valid});
}

}  // namespace

void bind_filters(nb::module_& m) {
  nb::class_<Filter>(m, "Filter", "A hard-example filter of the core.")
      .def("__init__",
           [](Filter* self, const std::string& name, const std::map<std::string, std::string>& parameters) {
             const algo::Parameters texts(parameters.begin(), parameters.end());
             new (self) Filter{algo::make_filter(name, texts)};
           })
      .def(
          "hard", [](const Filter& self, nb::handle result) { return judge(self, result).hard; }, nb::arg().none())
      .def(
          "score", [](const Filter& self, nb::handle result) { return judge(self, result).score; }, nb::arg().none())
      .def(
          "reason",
          [](const Filter& self, nb::handle result) {
            const auto reason = algo::reason_name(judge(self, result).reason);
            return nb::str(reason.data(), reason.size());
          },
          nb::arg().none())
      .def_prop_ro("name", [](const Filter& self) { return std::string(self.rule->name()); })
      .def_prop_ro("threshold", [](const Filter& self) { return self.rule->threshold(); });
  m.def("filter_names", &algo::filter_names, "The filters that the core knows.");
}

}  // namespace sedna::python
