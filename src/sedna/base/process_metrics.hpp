// What the operating system knows about this process, in the Prometheus text format with the names that every
// Prometheus client library uses. Servers append it to their registry's text when they are scraped.
#pragma once

#include <string>

namespace sedna::metrics {

/// process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes, process_start_time_seconds,
/// process_open_fds, process_max_fds, process_threads. Read when called; a figure the system does not give is left out.
/// Thread-safe.
std::string render_process();

}  // namespace sedna::metrics
