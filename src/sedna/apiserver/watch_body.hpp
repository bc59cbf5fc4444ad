// A watch as a response body: one JSON event a line, for as long as the client listens. Internal to module apiserver.
#pragma once

#include <memory>

#include "sedna/apiserver/answers.hpp"
#include "sedna/store/embedded/watch_cursor.hpp"

namespace sedna::apiserver {

serve::Response watch_response(std::shared_ptr<store::embedded::WatchCursor> cursor, const Wanted& wanted);

/// "{"type":"ADDED","object":…}\n"
std::string event_line(const api::Kind& kind, const store::embedded::RawEvent& event, const Wanted& wanted, bool first);

}  // namespace sedna::apiserver
