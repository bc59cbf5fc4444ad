#include "sedna/identity/ca.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "sedna/base/error.hpp"

namespace sedna::identity {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Memory = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;

[[noreturn]] void fail(const std::string& doing) {
  char reason[256] = "unknown reason";
  if (const unsigned long code = ERR_get_error()) ERR_error_string_n(code, reason, sizeof reason);
  ERR_clear_error();
  throw Error(ErrorCode::kInternal, doing + ": " + reason);
}

void check(bool ok, const char* doing) {
  if (!ok) fail(doing);
}

Key new_key() {
  Key key(EVP_EC_gen("P-256"));
  check(key != nullptr, "cannot make a key");
  return key;
}

template <class Write>
std::string to_pem(Write write) {
  const Memory memory(BIO_new(BIO_s_mem()));
  check(memory != nullptr && write(memory.get()) == 1, "cannot write PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string pem_of(X509* certificate) {
  return to_pem([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
}

std::string pem_of(EVP_PKEY* key) {
  return to_pem(
      [&](BIO* out) { return PEM_write_bio_PKCS8PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void extend(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  check(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1,
        "cannot add a certificate extension");
}

/// The parts that all our certificates share. Valid from an hour ago: edge boxes' clocks differ.
Certificate new_certificate(EVP_PKEY* key, const std::string& name, std::chrono::hours lifetime, const Clock& clock) {
  if (name.empty() || name.size() > 64) {
    throw Error(ErrorCode::kInvalidArgument, "a certificate's name has 1 to 64 characters", name);
  }
  Certificate out(X509_new());
  check(out != nullptr && X509_set_version(out.get(), 2) == 1, "cannot make a certificate");
  unsigned char serial[16];
  check(RAND_bytes(serial, sizeof serial) == 1, "no random bytes");
  serial[0] = static_cast<unsigned char>((serial[0] & 0x3f) | 0x40);  // positive, and of full length
  const std::unique_ptr<BIGNUM, Deleter<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  check(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(out.get())) != nullptr,
        "cannot set a serial number");
  const std::time_t now = SystemClock::to_time_t(clock.wall());
  const auto end = static_cast<std::time_t>(std::chrono::duration_cast<std::chrono::seconds>(lifetime).count());
  check(X509_time_adj_ex(X509_getm_notBefore(out.get()), 0, -3600, const_cast<std::time_t*>(&now)) != nullptr &&
            X509_time_adj_ex(X509_getm_notAfter(out.get()), static_cast<int>(end / 86400),
                             static_cast<long>(end % 86400), const_cast<std::time_t*>(&now)) != nullptr,
        "cannot set a validity");
  X509_NAME* subject = X509_get_subject_name(out.get());
  check(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.data()),
                                   static_cast<int>(name.size()), -1, 0) == 1 &&
            X509_set_pubkey(out.get(), key) == 1,
        "cannot set a certificate's subject");
  return out;
}

std::string alternative_names(const std::vector<std::string>& hosts) {
  std::string out;
  for (const std::string& host : hosts) {
    // The text is a small language of OpenSSL's: nothing but names and addresses may get into it.
    const bool plain = !host.empty() && host.size() <= 253 &&
                       host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.*:_") ==
                           std::string::npos;
    if (!plain) throw Error(ErrorCode::kInvalidArgument, "not a host name or address", host);
    in6_addr scratch{};
    const bool address =
        ::inet_pton(AF_INET, host.c_str(), &scratch) == 1 || ::inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
    if (!address && host.find(':') != std::string::npos) {
      throw Error(ErrorCode::kInvalidArgument, "not a host name or address", host);
    }
    if (!out.empty()) out += ',';
    out += (address ? "IP:" : "DNS:") + host;
  }
  return out;
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail_file(const std::string& doing, const std::string& path) {
  throw Error(ErrorCode::kUnavailable, doing + ": " + std::strerror(errno), path);
}

}  // namespace

struct CertificateAuthority::Impl {
  Key key;
  Certificate certificate;
  const Clock* clock;
};

CertificateAuthority::CertificateAuthority(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CertificateAuthority::~CertificateAuthority() = default;
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;

CertificateAuthority CertificateAuthority::create(const std::string& name, std::chrono::hours lifetime,
                                                  const Clock& clock) {
  auto impl = std::make_unique<Impl>();
  impl->clock = &clock;
  impl->key = new_key();
  impl->certificate = new_certificate(impl->key.get(), name, lifetime, clock);
  X509* self = impl->certificate.get();
  check(X509_set_issuer_name(self, X509_get_subject_name(self)) == 1, "cannot set an issuer");
  extend(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(self, self, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(self, self, NID_subject_key_identifier, "hash");
  check(X509_sign(self, impl->key.get(), EVP_sha256()) > 0, "cannot sign a certificate");
  return CertificateAuthority(std::move(impl));
}

CertificateAuthority CertificateAuthority::open(const std::string& folder, const std::string& name,
                                                const Clock& clock) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const File lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.get() < 0) fail_file("cannot open the authority's folder", folder);
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) fail_file("cannot lock the authority's folder", folder);
  }
  const std::string key_file = folder + "/ca-key.pem";
  const std::string cert_file = folder + "/ca.pem";
  // The certificate is written last: without it nobody has trusted the key yet.
  if (!std::filesystem::exists(cert_file)) {
    CertificateAuthority made = create(name, std::chrono::hours(24 * 3650), clock);
    write_private(key_file, pem_of(made.impl_->key.get()));
    write_private(cert_file, made.certificate());
    return made;
  }
  struct stat info{};
  if (::stat(key_file.c_str(), &info) != 0) fail_file("cannot read the authority's key", key_file);
  if ((info.st_mode & 077) != 0) {
    throw Error(ErrorCode::kPermissionDenied, "the authority's key is open to its group or others; chmod 600 it",
                key_file);
  }
  auto impl = std::make_unique<Impl>();
  impl->clock = &clock;
  const Memory cert_in(BIO_new_file(cert_file.c_str(), "r"));
  const Memory key_in(BIO_new_file(key_file.c_str(), "r"));
  if (cert_in) impl->certificate.reset(PEM_read_bio_X509(cert_in.get(), nullptr, nullptr, nullptr));
  if (key_in) impl->key.reset(PEM_read_bio_PrivateKey(key_in.get(), nullptr, nullptr, nullptr));
  if (!impl->certificate || !impl->key || X509_check_private_key(impl->certificate.get(), impl->key.get()) != 1) {
    ERR_clear_error();
    throw Error(ErrorCode::kDataLoss, "the authority's certificate and key cannot be read or do not belong together",
                folder);
  }
  return CertificateAuthority(std::move(impl));
}

std::string CertificateAuthority::certificate() const {
  return pem_of(impl_->certificate.get());
}

IssuedCertificate CertificateAuthority::issue(const CertificateRequest& request) const {
  const Key key = new_key();
  const Certificate leaf = new_certificate(key.get(), request.name, request.lifetime, *impl_->clock);
  X509* issuer = impl_->certificate.get();
  check(X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer)) == 1, "cannot set an issuer");
  extend(leaf.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  extend(leaf.get(), issuer, NID_key_usage, "critical,digitalSignature");
  extend(leaf.get(), issuer, NID_ext_key_usage, request.hosts.empty() ? "clientAuth" : "serverAuth,clientAuth");
  extend(leaf.get(), issuer, NID_subject_key_identifier, "hash");
  extend(leaf.get(), issuer, NID_authority_key_identifier, "keyid");
  if (!request.hosts.empty()) extend(leaf.get(), issuer, NID_subject_alt_name, alternative_names(request.hosts));
  check(X509_sign(leaf.get(), impl_->key.get(), EVP_sha256()) > 0, "cannot sign a certificate");
  return {pem_of(leaf.get()) + certificate(), pem_of(key.get())};
}

std::string new_token() {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  unsigned char random[43];
  check(RAND_bytes(random, sizeof random) == 1, "no random bytes");
  std::string out;
  for (const unsigned char c : random) out.push_back(kDigits[c & 63]);
  return out;
}

void write_private(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  {
    ::unlink(temporary.c_str());  // left by a crash; its mode may be anything
    const File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) fail_file("cannot write", temporary);
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t n = ::write(file.get(), text.data() + done, text.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail_file("cannot write", temporary);
      done += static_cast<std::size_t>(n);
    }
    if (::fsync(file.get()) != 0) fail_file("cannot write", temporary);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail_file("cannot write", path);
  const File folder(::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());  // best effort: not every file system can
}

}  // namespace sedna::identity
