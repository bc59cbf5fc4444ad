// A journal's file with anything in it: it opens, keeps no half entries, and what is appended is there the next time.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "sedna/base/log.hpp"
#include "sedna/journal/crash_file_system.hpp"
#include "sedna/journal/journal.hpp"

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna::journal;
  sedna::log::set_level(sedna::log::Level::kError);
  CrashFileSystem fs;
  fs.nodes["/j"] = std::make_shared<CrashFileSystem::Node>();
  fs.nodes["/j"]->now.assign(reinterpret_cast<const char*>(data), size);
  JournalOptions options;
  options.path = "/j";
  options.files = &fs;
  std::uint64_t sequence = 0;
  std::size_t waiting = 0;
  {
    Journal journal(options);
    const auto before = journal.read(0, 10'000);
    require(before.size() == journal.waiting());
    sequence = journal.replace("key", "value");
    require(before.empty() || before.back().sequence < sequence || sequence == 0);
    waiting = journal.waiting();
  }
  Journal journal(options);
  require(journal.waiting() == waiting);
  const auto found = journal.find("key");
  require(found && found->data == "value" && found->sequence == sequence);
  return 0;
}
