#include "sedna/testing/certificates.hpp"

#include <cstdlib>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "sedna/base/error.hpp"

namespace sedna::testing {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;

void must(bool ok, const char* what) {
  if (!ok) throw Error(ErrorCode::kInternal, std::string("test certificate: ") + what + " failed");
}

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  must(key != nullptr, "making a key");
  return key;
}

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  must(extension != nullptr, "an extension");
  must(X509_add_ext(certificate, extension, -1) == 1, "adding an extension");
  X509_EXTENSION_free(extension);
}

Certificate make_certificate(EVP_PKEY* key, const std::string& name, long serial, long from, long to) {
  Certificate certificate(X509_new());
  must(certificate != nullptr, "X509_new");
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), to);
  must(X509_set_pubkey(certificate.get(), key) == 1, "setting the key");
  const auto* text = reinterpret_cast<const unsigned char*>(name.data());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  must(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, text, static_cast<int>(name.size()), -1, 0) ==
           1,
       "setting the name");
  return certificate;
}

void write_certificate(const std::string& file, X509* certificate) {
  const Bio out(BIO_new_file(file.c_str(), "w"));
  must(out != nullptr && PEM_write_bio_X509(out.get(), certificate) == 1, "writing a certificate");
}

void write_key(const std::string& file, EVP_PKEY* key) {
  const Bio out(BIO_new_file(file.c_str(), "w"));
  must(out != nullptr && PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
       "writing a key");
}

constexpr long kDay = 24 * 60 * 60;

}  // namespace

struct TestAuthority::Impl {
  std::filesystem::path folder;
  Key key;
  Certificate certificate;
  long issued = 1;
};

TestAuthority::TestAuthority(std::string name) : impl_(std::make_unique<Impl>()) {
  std::string pattern = (std::filesystem::temp_directory_path() / "sedna-ca-XXXXXX").string();
  must(::mkdtemp(pattern.data()) != nullptr, "making a folder");
  impl_->folder = pattern;
  impl_->key = make_key();
  impl_->certificate = make_certificate(impl_->key.get(), name, 1, -kDay, 30 * kDay);
  X509* ca = impl_->certificate.get();
  must(X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1, "setting the issuer");
  add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
  must(X509_sign(ca, impl_->key.get(), EVP_sha256()) > 0, "signing");
  write_certificate(ca_file(), ca);
}

TestAuthority::~TestAuthority() {
  std::error_code ignored;  // a folder that stays in the temporary directory hurts nobody
  std::filesystem::remove_all(impl_->folder, ignored);
}

std::string TestAuthority::ca_file() const {
  return (impl_->folder / "ca.pem").string();
}
std::filesystem::path TestAuthority::folder() const {
  return impl_->folder;
}

TestAuthority::Files TestAuthority::issue(const std::string& common_name, const std::vector<std::string>& names,
                                          bool expired) {
  const long serial = ++impl_->issued;
  const Key key = make_key();
  const Certificate leaf =
      make_certificate(key.get(), common_name, serial, expired ? -2 * kDay : -kDay, expired ? -kDay : 30 * kDay);
  must(X509_set_issuer_name(leaf.get(), X509_get_subject_name(impl_->certificate.get())) == 1, "setting the issuer");
  add_extension(leaf.get(), impl_->certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
  if (!joined.empty()) add_extension(leaf.get(), impl_->certificate.get(), NID_subject_alt_name, joined);
  must(X509_sign(leaf.get(), impl_->key.get(), EVP_sha256()) > 0, "signing");
  const std::string base = (impl_->folder / ("leaf" + std::to_string(serial))).string();
  Files files{base + ".pem", base + ".key"};
  write_certificate(files.cert_file, leaf.get());
  write_key(files.key_file, key.get());
  return files;
}

}  // namespace sedna::testing
