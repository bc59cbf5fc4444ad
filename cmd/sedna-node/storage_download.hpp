// What the storage initializer does with one source and one destination.
#pragma once

#include <memory>
#include <string>

#include "sedna/base/error.hpp"

namespace sedna::initializer {

struct Settings {
  Settings() {}
  std::string indirect_mark = "@";
  int threads = 4;      ///< of an indirect list
  int attempts = 5;     ///< in a row without progress
  double limit = 3600;  ///< seconds for one source
  /// INDIRECT_URL_MARK, SEDNA_DOWNLOAD_THREADS, SEDNA_DOWNLOAD_SECONDS.
  static Settings from_environment();
};

class Downloader {
 public:
  explicit Downloader(Settings settings);
  ~Downloader();
  /// Throws Error with the source as its subject.
  void fetch(const std::string& source, const std::string& destination);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A sentence that a person can act on.
std::string explain(const Error& error);

}  // namespace sedna::initializer
