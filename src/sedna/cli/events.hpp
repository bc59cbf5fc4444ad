// `sedna events`, and the events of one object for `describe` and `status`.
#pragma once

#include <string>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"
#include "sedna/cli/targets.hpp"

namespace sedna::cli {

struct EventsOptions {
  EventsOptions() {}
  std::string object;  ///< kind/name; "": all
  Scope scope;
  Output output;
  bool watch = false;
  bool warnings_only = false;
};

int events(Cluster& cluster, Console& console, const EventsOptions& options);

/// The time an event happened last, "" when it says none.
std::string_view last_seen(const api::Object& event);
/// Events of one object, oldest first. An empty list also when events can't be read.
std::vector<api::Object> events_of(Cluster& cluster, const api::Object& object);
/// By the time they happened last; equal times stay in order.
void sort_by_time(std::vector<api::Object>& events);
/// A table of them, newest last.
std::string render_events(const Console& console, const std::vector<api::Object>& events, bool with_object,
                          bool with_namespace, bool headers = true, std::vector<std::size_t>* widths = nullptr);

}  // namespace sedna::cli
