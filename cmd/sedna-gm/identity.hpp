// Under which name this process holds the Lease of the leading GM.
#pragma once

#include <string>

namespace sedna::gm_program {

/// A Pod: its name and uid's stand-in (the host name is the Pod's). One process per kubeconfig on this machine: a name
/// that the next process has too, so that a GM that was killed is followed at once and not after its Lease has run out.
/// Otherwise a random one.
class Identity {
 public:
  explicit Identity(const std::string& kubeconfig);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  int lock_ = -1;  ///< held while the process lives: the kernel lets go when it dies
};

}  // namespace sedna::gm_program
