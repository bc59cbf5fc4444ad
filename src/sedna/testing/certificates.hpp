// A certificate authority made on the spot, so that TLS tests need no files and nothing in them can expire.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace sedna::testing {

/// Makes a folder of its own for the PEM files, removed with it. Keys are P-256. Throws Error when OpenSSL does.
class TestAuthority {
 public:
  explicit TestAuthority(std::string name = "Sedna test authority");
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  struct Files {
    std::string cert_file;
    std::string key_file;
  };
  std::string ca_file() const;
  std::filesystem::path folder() const;
  /// A leaf certificate with this common name. `names` go into subjectAltName as written: "DNS:example.org",
  /// "IP:127.0.0.1". `expired`: it was valid until yesterday.
  Files issue(const std::string& common_name, const std::vector<std::string>& names = {}, bool expired = false);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::testing
