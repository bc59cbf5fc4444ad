// Requests about objects: get, list, watch, create, update, patch, delete, and the subresources status and scale. One
// coroutine a request; used by Face.
#pragma once

#include "sedna/apiserver/answers.hpp"
#include "sedna/apiserver/request_info.hpp"
#include "sedna/serve/server.hpp"
#include "sedna/store/embedded/engine.hpp"

namespace sedna::apiserver {

/// Thread-safe; holds no state of its own.
class Resources {
 public:
  explicit Resources(store::embedded::Engine& engine) : engine_(engine) {}

  /// The request has been authorised. `request` outlives the call.
  net::Task<serve::Response> handle(serve::Request& request, RequestInfo info);

 private:
  serve::Response get(const RequestInfo& info, const Wanted& wanted) const;
  serve::Response list(const RequestInfo& info, const Wanted& wanted) const;
  serve::Response watch(const RequestInfo& info, const Wanted& wanted);
  net::Task<serve::Response> create(serve::Request& request, RequestInfo info, Wanted wanted);
  net::Task<serve::Response> change(serve::Request& request, RequestInfo info, Wanted wanted);
  net::Task<serve::Response> remove(serve::Request& request, RequestInfo info, Wanted wanted);
  net::Task<serve::Response> remove_all(serve::Request& request, RequestInfo info, Wanted wanted);
  net::Task<serve::Response> scale(serve::Request& request, RequestInfo info);

  store::embedded::Engine& engine_;
};

}  // namespace sedna::apiserver
