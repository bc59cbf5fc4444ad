#include "sedna/base/cpu.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>

namespace sedna {

int usable_cores() {
  int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) cores = std::max(1, CPU_COUNT(&mask));
  // "200000 100000": so many microseconds of processor time in each period; "max 100000": no limit.
  std::ifstream limit("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (limit >> quota >> period && quota > 0 && period > 0) {
    cores = std::clamp(static_cast<int>(std::ceil(quota / period)), 1, cores);
  }
  return cores;
}

}  // namespace sedna
