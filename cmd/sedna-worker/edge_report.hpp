// What `sedna-worker edge --report` writes: one JSON object a sample, in order, and a line of totals on standard error.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "sedna/inference/joint_inference.hpp"

namespace sedna::worker_program {

class EdgeReport {
 public:
  /// `file` empty: nothing is written per sample; "-": standard output. Throws Error when it cannot be opened.
  EdgeReport(const std::string& file, std::vector<std::int64_t> labels);
  void add(const inference::JointResult& result);
  /// Throws Error when the file could not be written whole.
  void finish(const inference::JointCounts& counts, SteadyClock::duration elapsed);

 private:
  std::string path_;
  std::ofstream file_;
  std::ostream* out_ = nullptr;
  std::vector<std::int64_t> labels_;
  std::uint64_t index_ = 0;
  std::uint64_t bytes_up_ = 0;
  std::uint64_t right_edge_ = 0, right_final_ = 0;
  struct Unanswered {
    std::uint64_t samples = 0;
    std::string first;  ///< what the first of them said
  };
  std::map<algo::Reason, Unanswered> unanswered_;  ///< hard but not answered by the cloud, or not to be judged
};

}  // namespace sedna::worker_program
