// Work on a whole model in slices, on as many threads as there are cores. Called where a round ends and the other cores
// have nothing to do: the clients wait for the model.
#pragma once

#include <cstddef>
#include <functional>

namespace sedna::federated {

/// Into how many slices work is cut where its result depends on the cuts: the same on every machine.
inline constexpr std::size_t kSlices = 16;

/// Calls work(slice) once for each slice below `slices`, in any order, from this thread and, when `bytes` to go through
/// are worth it, others; returns when all are done. The first exception is rethrown, what has not begun by then is left
/// out.
void for_slices(std::size_t slices, std::size_t bytes, const std::function<void(std::size_t)>& work);

/// The part of `count` things that is slice `slice` of `slices`: first and one past the last.
struct Part {
  std::size_t first;
  std::size_t last;
};
inline Part part_of(std::size_t count, std::size_t slice, std::size_t slices) {
  const std::size_t each = count / slices;
  const std::size_t more = count % slices;
  const std::size_t first = slice * each + (slice < more ? slice : more);
  return {first, first + each + (slice < more ? 1 : 0)};
}

}  // namespace sedna::federated
