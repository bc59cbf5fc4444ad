// Which handler a method and a path belong to. Built before the server starts, read-only afterwards.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/serve/server.hpp"

namespace sedna::serve {

/// One registered route with its figures. Lives as long as the server.
struct Route {
  std::string method;
  std::string pattern;
  Handler handler;
  WebSocketHandler websocket;
  RouteOptions options;
  // Figures, looked up in the registry once per status code.
  metrics::Registry* registry = nullptr;
  metrics::Histogram* duration = nullptr;
  std::string label;
  struct Counted {
    std::atomic<int> status{0};
    std::atomic<metrics::Counter*> counter{nullptr};
  };
  std::unique_ptr<Counted[]> counted;
  /// requests_total{route, method, code}
  void count(int status);
};

class Router {
 public:
  Router();
  ~Router();
  /// Throws Error(kInvalidArgument) for a malformed or a repeated pattern.
  Route& add(std::string method, std::string pattern);
  struct Match {
    Route* route = nullptr;
    std::string allow;  ///< when only the method is wrong: the methods that are right
  };
  /// `raw_path` is still escaped: a placeholder matches one segment as sent and yields it decoded, into `params`.
  Match match(std::string_view method, std::string_view raw_path, std::vector<std::string>& params) const;

 private:
  struct Node;
  struct Found;
  const Node* find(const Node& node, std::string_view rest, Found& found) const;
  std::unique_ptr<Node> root_;
  std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace sedna::serve
