// A small certificate authority for the machines and workers of one installation: made once, kept in a folder that only
// its owner may read, issues short-lived leaf certificates and bearer tokens. Used by tests and by whoever sets up a
// cluster.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"

namespace sedna::identity {

/// PEM texts. The key is never logged; write it with write_private().
struct IssuedCertificate {
  std::string certificate;  ///< the leaf, then the authority
  std::string key;
};

struct CertificateRequest {
  CertificateRequest() {}
  std::string name;                ///< common name: the node or worker
  std::vector<std::string> hosts;  ///< DNS names and addresses that it serves under; empty: client only
  std::chrono::hours lifetime{24 * 365};
};

/// Keys are P-256, signatures SHA-256. Throws Error. Not thread-safe.
class CertificateAuthority {
 public:
  /// A new authority in memory.
  static CertificateAuthority create(const std::string& name,
                                     std::chrono::hours lifetime = std::chrono::hours(24 * 3650),
                                     const Clock& clock = Clock::real());
  /// The authority kept in `folder` (ca.pem, ca-key.pem), made there when there is none. Safe against two callers at
  /// once and against a crash half-way.
  static CertificateAuthority open(const std::string& folder, const std::string& name,
                                   const Clock& clock = Clock::real());
  ~CertificateAuthority();
  CertificateAuthority(CertificateAuthority&&) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept;

  std::string certificate() const;  ///< PEM, what clients trust
  IssuedCertificate issue(const CertificateRequest& request) const;

 private:
  struct Impl;
  explicit CertificateAuthority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A bearer token of 256 random bits from the system, URL-safe.
std::string new_token();

/// Replaces `path` by `text`, mode 0600 from the first byte, durable before it gets its name.
void write_private(const std::string& path, const std::string& text);

}  // namespace sedna::identity
