// A folder for one test, and short ways to fill it and look into it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/base/ids.hpp"

namespace sedna::storage {

class TestFolder : public ::testing::Test {
 protected:
  TestFolder() : folder_(std::filesystem::temp_directory_path() / ("sedna-storage-" + random_hex(8))) {
    std::filesystem::create_directories(folder_);
  }
  ~TestFolder() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& content) const {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  /// Everything below, hidden files too: what a failure must not leave behind.
  static std::size_t entries(const std::filesystem::path& path) {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::recursive_directory_iterator(path)) ++n;
    return n;
  }
  /// The Error that `function` throws; a failed expectation when it throws none.
  template <class Function>
  static Error error_of(Function function) {
    try {
      function();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ErrorCode::kInternal, "no error");
  }

  std::filesystem::path folder_;
};

}  // namespace sedna::storage
