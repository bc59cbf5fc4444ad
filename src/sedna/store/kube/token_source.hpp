// The bearer token of a KubeClient: fixed, or in a file that somebody renews. Thread-safe.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "sedna/base/clock.hpp"

namespace sedna::store {

class TokenSource {
 public:
  /// `file`, when set, wins over `token`. Throws Error when it can't be read or is empty.
  TokenSource(std::string token, std::string file, const Clock& clock = Clock::real());

  /// The token, "" when there is none. A file is read again when the last look was a while ago; a file that has become
  /// unreadable leaves the last token in use (the server says when it is no longer good).
  std::string token();
  /// The server did not take the token: look at the file now. True when it holds another one.
  bool refused(const std::string& used);

 private:
  bool read();

  static constexpr auto kLookEvery = std::chrono::seconds(10);
  const std::string file_;
  const Clock& clock_;
  std::mutex mutex_;
  std::string token_;
  SteadyClock::time_point looked_{};
};

}  // namespace sedna::store
