#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/identity/ca.hpp"
#include "sedna/identity/token_table.hpp"
#include "sedna/net/tls.hpp"

namespace sedna::identity {
namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/sedna_identity_XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string string() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// JI-1.15
TEST(TokenTable, ReadsNamesTokensAndRoles) {
  const auto table = TokenTable::parse("# comment\n\nalice:0123456789abcdef:reader, writer\r\nbob:fedcba9876543210\n");
  ASSERT_TRUE(table) << table.error().what();
  ASSERT_EQ(table->size(), 2u);
  EXPECT_EQ(table->find("0123456789abcdef")->name, "alice");
  EXPECT_TRUE(table->find("0123456789abcdef")->has_role("writer"));
  EXPECT_TRUE(table->find("fedcba9876543210")->roles.empty());
  EXPECT_EQ(table->find("0123456789abcdeg"), nullptr);
  EXPECT_EQ(table->find(""), nullptr);
}

// JI-7.13
TEST(TokenTable, ErrorsNameTheLineAndNeverTheToken) {
  for (const char* bad : {"alice:0123456789abcdef\nbob:short-secret", "alice:0123456789abcdef\n:0123456789abcdeg",
                          "alice:0123456789abcdef\nnonsense-secret", "a:0123456789abcdef\nb:0123456789abcdef"}) {
    const auto table = TokenTable::parse(bad, "tokens");
    ASSERT_FALSE(table) << bad;
    EXPECT_EQ(table.error().subject(), "tokens:2");
    EXPECT_EQ(std::string(table.error().what()).find("secret"), std::string::npos);
    EXPECT_EQ(std::string(table.error().what()).find("0123456789"), std::string::npos);
  }
}

// JI-1.15
TEST(TokenTable, OnlyItsOwnerMayReadTheFile) {
  const Folder folder;
  write_private(folder / "tokens", "alice:" + new_token() + "\n");
  EXPECT_TRUE(TokenTable::load(folder / "tokens"));
  ::chmod((folder / "tokens").c_str(), 0640);
  EXPECT_EQ(TokenTable::load(folder / "tokens").error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(TokenTable::load(folder / "none").error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(TokenTable::load(folder.string()));
}

// JI-1.15
TEST(BearerToken, TakesOnlyItsScheme) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bEARER  abc "), "abc");
  EXPECT_FALSE(bearer_token("Basic abc"));
  EXPECT_FALSE(bearer_token("Bearer"));
  EXPECT_FALSE(bearer_token("Bearer  "));
}

// JI-1.21
TEST(CertificateAuthority, IssuesWhatTlsContextsTake) {
  const Folder folder;
  const auto authority = CertificateAuthority::open(folder / "ca", "Sedna");
  CertificateRequest request;
  request.name = "cloud-1";
  request.hosts = {"localhost", "127.0.0.1", "::1"};
  const IssuedCertificate issued = authority.issue(request);
  write_private(folder / "cert.pem", issued.certificate);
  write_private(folder / "key.pem", issued.key);
  net::TlsServerFiles files;
  files.cert_file = folder / "cert.pem";
  files.key_file = folder / "key.pem";
  files.client_ca_file = folder / "ca/ca.pem";
  EXPECT_NO_THROW(net::TlsContext::server(files));
  const std::string verify =
      "openssl verify -CAfile " + (folder / "ca/ca.pem") + " " + (folder / "cert.pem") + " > /dev/null 2>&1";
  EXPECT_EQ(std::system(verify.c_str()), 0);
  // Opened again it is the same one.
  EXPECT_EQ(CertificateAuthority::open(folder / "ca", "Sedna").certificate(), authority.certificate());
  struct stat info{};
  ASSERT_EQ(::stat((folder / "ca/ca-key.pem").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(CertificateAuthority, RefusesWhatItCannotStandFor) {
  const auto authority = CertificateAuthority::create("Sedna");
  CertificateRequest request;
  request.name = "x";
  request.hosts = {"a,IP:0.0.0.0"};
  EXPECT_THROW(authority.issue(request), Error);
  request.hosts = {};
  request.name = std::string(65, 'x');
  EXPECT_THROW(authority.issue(request), Error);
  const Folder folder;
  CertificateAuthority::open(folder.string(), "Sedna");
  ::chmod((folder / "ca-key.pem").c_str(), 0644);
  EXPECT_THROW(CertificateAuthority::open(folder.string(), "Sedna"), Error);
}

TEST(Tokens, AreLongAndDiffer) {
  EXPECT_EQ(new_token().size(), 43u);
  EXPECT_NE(new_token(), new_token());
}

}  // namespace
}  // namespace sedna::identity
