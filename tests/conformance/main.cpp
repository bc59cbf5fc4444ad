// One suite for every API server that our controllers may meet; see home.hpp for which those are.
#include <iostream>

#include <gtest/gtest.h>

#include "tests/conformance/home.hpp"

namespace sedna::conformance {
void register_scripts();
}

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  sedna::conformance::register_scripts();
  std::cout << "homes:";
  for (const std::string& name : sedna::conformance::home_names()) std::cout << " " << name;
  std::cout << std::endl;
  return RUN_ALL_TESTS();
}
