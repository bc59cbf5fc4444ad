// What a worker posts, and what becomes of it on its way into a service's status: any JSON is read, refused or merged.
#include <cstdint>
#include <string_view>

#include "sedna/gm/edge_reports.hpp"
#include "sedna/lc/worker_reports.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(lc::parse_worker_report(text));
  const auto parsed = json::parse(text);
  if (!parsed || !parsed->is_object()) return 0;
  const auto& o = parsed->get_object();
  const json::value* status = o.if_contains("status");
  gm::Fact fact;
  fact.node = "edge0";
  fact.source = "lc";
  fact.sequence = 3;
  fact.body = o;
  json::object merged = status != nullptr && status->is_object() ? status->get_object() : json::object();
  gm::merge_edge_reports(merged, {fact}, {{"u", {"pod", true}}});
  json::object again = merged;
  gm::merge_edge_reports(again, {fact}, {{"u", {"pod", true}}});
  if (again != merged) __builtin_trap();  // a duplicate changes nothing
  static_cast<void>(lc::add_base(o, o));
  return 0;
}
