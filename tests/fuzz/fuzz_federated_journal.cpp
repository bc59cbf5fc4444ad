// A federated job's journal as a crash or a bad disk may leave it: the records up to the first that is not whole, and
// those written again are the same bytes' worth of records.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sedna/federated/journal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna::federated;
  const auto replay = replay_journal(std::as_bytes(std::span(data, size)));
  if (replay.used > size) std::abort();
  std::string again;
  for (const Record& record : replay.records) again += encode_record(record);
  const auto back = replay_journal(std::as_bytes(std::span(again)));
  if (back.records.size() != replay.records.size() || back.used != again.size()) std::abort();
  for (std::size_t i = 0; i < back.records.size(); ++i) {
    if (back.records[i].client != replay.records[i].client || back.records[i].digest != replay.records[i].digest) {
      std::abort();
    }
  }
  return 0;
}
