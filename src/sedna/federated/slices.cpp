#include "sedna/federated/slices.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace sedna::federated {

namespace {

constexpr std::size_t kWorthAThread = std::size_t{4} << 20;
constexpr std::size_t kMostThreads = 8;

}  // namespace

void for_slices(std::size_t slices, std::size_t bytes, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto take = [&] {
    for (std::size_t slice = next.fetch_add(1); slice < slices; slice = next.fetch_add(1)) {
      try {
        work(slice);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();  // rethrown below, on the caller's thread
        next = slices;
      }
    }
  };
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t threads = std::min({cores, kMostThreads, slices, 1 + bytes / kWorthAThread});
  std::vector<std::jthread> others;
  try {
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(take);
  } catch (const std::system_error&) {
    // No more threads to be had here: those that there are do it.
  }
  take();
  others.clear();  // joins
  if (failure) std::rethrow_exception(failure);
}

}  // namespace sedna::federated
