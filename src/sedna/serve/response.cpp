#include "sedna/json/json.hpp"
#include "sedna/serve/connection.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::serve {

Response Response::json(int status, std::string text) {
  return Response::text(status, std::move(text), "application/json");
}

Response Response::text(int status, std::string text, std::string content_type) {
  Response out;
  out.status = status;
  out.headers.add("Content-Type", std::move(content_type));
  if (!text.empty()) out.body.push_back(Bytes::from_string(std::move(text)));
  return out;
}

std::optional<std::string_view> Request::query(std::string_view key) const {
  const std::size_t mark = target.find('?');
  if (mark == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(target).substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == key) return pair.substr(std::min(equals + 1, pair.size()));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

namespace {

std::string error_text(std::string_view message) {
  std::string out = "{\"error\":";
  json::append_string(out, message);
  out.push_back('}');
  return out;
}

}  // namespace

Response default_error_body(int status, const Error& error) {
  return Response::json(status, error_text(error.what()));
}

std::string canned_refusal(int status, std::string_view message, std::string_view extra_header) {
  const std::string body = error_text(message);
  std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
  out += net::reason_phrase(status);
  out += "\r\nContent-Type: application/json\r\nConnection: close\r\n";
  out += extra_header;
  out += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  return out;
}

}  // namespace sedna::serve
