#include "identity.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "sedna/base/ids.hpp"
#include "sedna/base/sha256.hpp"

namespace sedna::gm_program {

namespace {

std::string host_name() {
  char name[256] = "localhost";
  if (::gethostname(name, sizeof name - 1) != 0) return "localhost";
  return name;
}

}  // namespace

Identity::Identity(const std::string& kubeconfig) {
  constexpr std::size_t kRandomBytes = 4, kDigits = 12;
  name_ = host_name() + "_" + random_hex(kRandomBytes);
  if (kubeconfig.empty()) return;
  std::error_code error;
  const std::string path = std::filesystem::weakly_canonical(kubeconfig, error).string();
  if (error) return;
  constexpr mode_t kMode = 0600;
  lock_ = ::open((path + ".gm-lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode);
  if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) != 0) return;  // another GM has it, or nobody may write there
  name_ = host_name() + "_" + sha256_hex(path).substr(0, kDigits);
}

Identity::~Identity() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace sedna::gm_program
