// How many processors this process may really use: by default one worker thread for each.
#pragma once

namespace sedna {

/// The processors of the affinity mask, and no more than a container's CPU limit (cgroup v2, rounded up); at least 1.
/// std::thread::hardware_concurrency() counts the machine's, and two threads on one core take each other's cache.
int usable_cores();

}  // namespace sedna
