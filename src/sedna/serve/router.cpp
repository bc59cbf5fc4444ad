#include "sedna/serve/router.hpp"

#include <algorithm>
#include <array>

#include "sedna/net/http_parse.hpp"
#include "sedna/serve/http_parser.hpp"

namespace sedna::serve {
namespace {

constexpr std::size_t kCountedCodes = 16;
constexpr std::size_t kMaxPlaceholders = 16;

std::string_view next_segment(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view segment = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  return segment;
}

}  // namespace

/// What the placeholders matched so far.
struct Router::Found {
  std::array<std::string_view, kMaxPlaceholders> params;
  std::size_t count = 0;
};

struct Router::Node {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;
  std::unique_ptr<Node> placeholder;
  std::unique_ptr<Node> remainder;
  std::vector<Route*> routes;  // one per method
};

void Route::count(int status) {
  if (registry == nullptr) return;
  for (std::size_t i = 0; i < kCountedCodes; ++i) {
    int known = counted[i].status.load(std::memory_order_acquire);
    if (known == 0 && counted[i].status.compare_exchange_strong(known, status, std::memory_order_acq_rel))
      known = status;
    if (known != status) continue;
    auto* counter = counted[i].counter.load(std::memory_order_acquire);
    if (counter == nullptr) {
      const metrics::Labels labels{{"route", label}, {"method", method}, {"code", std::to_string(status)}};
      counter = &registry->counter("sedna_http_requests_total", "Requests answered.", labels);
      counted[i].counter.store(counter, std::memory_order_release);
    }
    counter->add();
    return;
  }
  const metrics::Labels labels{{"route", label}, {"method", method}, {"code", "other"}};
  registry->counter("sedna_http_requests_total", "Requests answered.", labels).add();
}

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

Route& Router::add(std::string method, std::string pattern) {
  if (!net::is_token(method)) throw Error(ErrorCode::kInvalidArgument, "not an HTTP method", method);
  if (pattern.empty() || pattern.front() != '/') {
    throw Error(ErrorCode::kInvalidArgument, "a route's pattern begins with /", pattern);
  }
  Node* node = root_.get();
  if (std::ranges::count(pattern, '{') > static_cast<std::ptrdiff_t>(kMaxPlaceholders)) {
    throw Error(ErrorCode::kInvalidArgument, "a pattern has at most 16 placeholders", pattern);
  }
  std::string_view rest = std::string_view(pattern).substr(1);
  for (bool more = true; more;) {
    more = rest.find('/') != std::string_view::npos;
    const std::string_view segment = next_segment(rest);
    std::unique_ptr<Node>* slot = nullptr;
    if (segment.starts_with('{') && segment.ends_with('}')) {
      const bool remainder = segment.ends_with("...}");
      if (remainder && more) {
        throw Error(ErrorCode::kInvalidArgument, "{rest...} must be the last segment of a pattern", pattern);
      }
      slot = remainder ? &node->remainder : &node->placeholder;
    } else if (segment.find_first_of("{}") != std::string_view::npos) {
      throw Error(ErrorCode::kInvalidArgument, "a placeholder is a whole segment", pattern);
    } else {
      const auto it = std::find_if(node->literals.begin(), node->literals.end(),
                                   [&](const auto& entry) { return entry.first == segment; });
      slot = it != node->literals.end() ? &it->second : &node->literals.emplace_back(segment, nullptr).second;
    }
    if (!*slot) *slot = std::make_unique<Node>();
    node = slot->get();
  }
  for (const Route* known : node->routes) {
    if (known->method == method) throw Error(ErrorCode::kAlreadyExists, "this route is taken", method + " " + pattern);
  }
  auto route = std::make_unique<Route>();
  route->method = std::move(method);
  route->pattern = std::move(pattern);
  route->counted = std::make_unique<Route::Counted[]>(kCountedCodes);
  node->routes.push_back(route.get());
  routes_.push_back(std::move(route));
  return *routes_.back();
}

const Router::Node* Router::find(const Node& node, std::string_view rest, Found& found) const {
  // `rest` begins after a slash; the pattern decides how deep this goes, never the request.
  const bool more = rest.find('/') != std::string_view::npos;
  std::string_view tail = rest;
  const std::string_view segment = next_segment(tail);
  const auto descend = [&](const Node& next) -> const Node* {
    if (more) return find(next, tail, found);
    return next.routes.empty() ? nullptr : &next;
  };
  for (const auto& [literal, next] : node.literals) {
    if (literal != segment) continue;
    if (const Node* end = descend(*next)) return end;
  }
  if (node.placeholder && !segment.empty()) {
    found.params[found.count++] = segment;
    if (const Node* end = descend(*node.placeholder)) return end;
    --found.count;
  }
  if (node.remainder && !node.remainder->routes.empty()) {
    found.params[found.count++] = rest;
    return node.remainder.get();
  }
  return nullptr;
}

Router::Match Router::match(std::string_view method, std::string_view raw_path,
                            std::vector<std::string>& params) const {
  Match out;
  if (raw_path.empty() || raw_path.front() != '/') return out;
  Found found;
  const Node* node = find(*root_, raw_path.substr(1), found);
  if (node == nullptr) return out;
  Route* get = nullptr;
  for (Route* route : node->routes) {
    if (route->method == method) out.route = route;
    if (route->method == "GET" && !route->websocket) get = route;
  }
  if (out.route == nullptr && method == "HEAD") out.route = get;
  if (out.route == nullptr) {
    for (const Route* route : node->routes) {
      if (!out.allow.empty()) out.allow += ", ";
      out.allow += route->method;
    }
    if (get != nullptr) out.allow += ", HEAD";
    return out;
  }
  params.resize(found.count);
  for (std::size_t i = 0; i < found.count; ++i) {
    // The whole path passed this check already: only a lone "." between slashes that were escaped could differ.
    if (decode_path(found.params[i], params[i])) return Match{};
  }
  return out;
}

}  // namespace sedna::serve
