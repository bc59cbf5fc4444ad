// Random identifiers, for request ids, trace ids and temporary names. Not secrets.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace sedna {

/// A generator seeded once per thread (and again in a forked child) from the operating system.
std::mt19937_64& thread_random();
/// Uniform in [0, 1).
double random_unit();
/// `bytes` random bytes as lower-case hex.
std::string random_hex(std::size_t bytes);

}  // namespace sedna
