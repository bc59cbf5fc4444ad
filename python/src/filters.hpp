// A core filter as Python holds it.
#pragma once

#include <memory>

#include "sedna/algo/hard_example.hpp"

namespace sedna::python {

struct Filter {
  std::shared_ptr<const algo::HardExampleFilter> rule;
};

}  // namespace sedna::python
