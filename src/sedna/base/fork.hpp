// Which process this is, without asking the kernel. State that belongs to threads or to a socket's peer compares it and
// starts afresh in a forked child (docs/decisions/0014-fork.md).
#pragma once

#include <cstdint>

namespace sedna {

/// 1 in the process that loaded us, one more in each forked child. A relaxed load; getpid() is a system call.
std::uint64_t fork_generation();

}  // namespace sedna
