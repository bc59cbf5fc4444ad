#include "sedna/testing/s3_imposter.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "sedna/base/sha256.hpp"
#include "sedna/storage/xml.hpp"

namespace sedna::storage {

namespace {

std::string decode(std::string_view text) {
  return net::percent_decode(text).value();
}

std::string etag_of(const std::string& content) {
  return "\"" + sha256_hex(content).substr(0, 32) + "\"";
}

Query split_query(const std::string& text) {
  Query query;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('&', at), text.size());
    const std::string pair = text.substr(at, end - at);
    const std::size_t equals = pair.find('=');
    query.emplace_back(decode(pair.substr(0, equals)),
                       equals == std::string::npos ? "" : decode(pair.substr(equals + 1)));
    at = end + 1;
  }
  return query;
}

std::string part_of(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  const std::size_t at = from + begin.size();
  return text.substr(at, std::min(text.find(end, at), text.size()) - at);
}

S3Imposter::Answer error(int status, const std::string& code, const std::string& message) {
  return {status,
          {},
          "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>",
          {}};
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

std::string S3Imposter::Request::query_value(std::string_view name) const {
  for (const auto& [found, value] : split_query(query))
    if (found == name) return value;
  return "";
}

bool S3Imposter::Request::has_query(std::string_view name) const {
  const Query pairs = split_query(query);
  return std::any_of(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.first == name; });
}

S3Imposter::S3Imposter() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("imposter cannot listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

S3Imposter::~S3Imposter() {
  {
    const auto held = lock();
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    for (const int fd : connections_) ::shutdown(fd, SHUT_RDWR);
  }
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  ::close(listener_);
}

std::string S3Imposter::origin() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

S3Options S3Imposter::options() const {
  S3Options options;
  options.endpoint = origin();
  options.region = "us-east-1";
  options.access_key_id = key.access_key_id;
  options.secret_access_key = key.secret_access_key;
  options.session_token = key.session_token;
  return options;
}

void S3Imposter::accept_loop() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto held = lock();
    if (stopping_) {
      ::close(fd);
      return;
    }
    connections_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void S3Imposter::serve(int fd) {
  std::string input;
  std::vector<char> piece(1 << 16);
  auto more = [&] {
    const ssize_t n = ::recv(fd, piece.data(), piece.size(), 0);
    if (n <= 0) return false;
    input.append(piece.data(), static_cast<std::size_t>(n));
    return true;
  };
  for (bool open = true; open;) {
    std::size_t end;
    while ((end = input.find("\r\n\r\n")) == std::string::npos)
      if (!more()) break;
    if (end == std::string::npos) break;
    Request request;
    const std::string line = input.substr(0, input.find("\r\n"));
    const std::string target = part_of(line, " ", " ");
    request.method = line.substr(0, line.find(' '));
    request.path = target.substr(0, target.find('?'));
    if (const std::size_t mark = target.find('?'); mark != std::string::npos) request.query = target.substr(mark + 1);
    for (std::size_t at = line.size() + 2; at < end;) {
      const std::size_t stop = std::min(input.find("\r\n", at), end);
      const std::string field = input.substr(at, stop - at);
      const std::size_t colon = field.find(": ");
      request.headers.add(field.substr(0, colon), field.substr(colon + 2));
      at = stop + 2;
    }
    const std::size_t length = std::stoul("0" + std::string(request.headers.get("Content-Length")));
    input.erase(0, end + 4);
    while (input.size() < length && more()) {
    }
    if (input.size() < length) break;
    request.body = input.substr(0, length);
    input.erase(0, length);
    const Answer reply = answer(request);
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " X\r\n";
    for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
    if (!reply.headers.find("Content-Length")) head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
    head += "\r\n";
    const std::string_view body = request.method == "HEAD" ? std::string_view() : std::string_view(reply.body);
    open =
        send_all(fd, head) && send_all(fd, body.substr(0, reply.cut_after.value_or(body.size()))) && !reply.cut_after;
  }
  const auto held = lock();
  connections_.remove(fd);
  ::close(fd);
}

S3Imposter::Answer S3Imposter::answer(const Request& request) {
  Hook look;
  {
    const auto held = lock();
    requests.push_back(request);
    look = hook;
  }
  if (look)
    if (auto own = look(request)) return *own;
  const auto held = lock();
  if (auto refused = refuse_signature(request)) return *refused;
  return store(request);
}

std::optional<S3Imposter::Answer> S3Imposter::refuse_signature(const Request& request) const {
  if (!check_signature) return std::nullopt;
  Query query = split_query(request.query);
  net::Headers headers;
  std::string names;
  std::string given;
  std::string date;
  std::string payload;
  if (request.has_query("X-Amz-Signature")) {
    given = request.query_value("X-Amz-Signature");
    names = request.query_value("X-Amz-SignedHeaders");
    date = request.query_value("X-Amz-Date");
    payload = std::string(kUnsignedPayload);
    std::erase_if(query, [](const auto& pair) { return pair.first == "X-Amz-Signature"; });
  } else {
    const std::string authorization(request.headers.get("Authorization"));
    given = part_of(authorization, "Signature=", ",");
    names = part_of(authorization, "SignedHeaders=", ",");
    date = std::string(request.headers.get("X-Amz-Date"));
    payload = std::string(request.headers.get("X-Amz-Content-Sha256"));
    if (payload != kUnsignedPayload && payload != sha256_hex(request.body))
      return error(400, "XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 does not match the body");
    if (part_of(authorization, "Credential=", "/") != key.access_key_id)
      return error(403, "InvalidAccessKeyId", "The access key does not exist");
    const std::string region = part_of(authorization, date.substr(0, 8) + "/", "/");
    if (region != key.region) {
      Answer wrong = error(400, "AuthorizationHeaderMalformed", "the region is wrong");
      wrong.body.insert(wrong.body.find("</Error>"), "<Region>" + key.region + "</Region>");
      return wrong;
    }
  }
  for (const auto& [name, value] : request.headers) {
    std::string low = name;
    std::transform(low.begin(), low.end(), low.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if ((";" + names + ";").find(";" + low + ";") != std::string::npos) headers.add(name, value);
  }
  const std::string mine =
      signature(key, date, canonical_request(request.method, request.path, query, headers, payload));
  if (given != mine || ("" + names).find("host") == std::string::npos)
    return error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match");
  return std::nullopt;
}

S3Imposter::Answer S3Imposter::store(const Request& request) {
  const std::string name = decode(request.path).substr(1);
  if (request.has_query("list-type")) return list(name, request);
  if (request.has_query("uploads") || request.has_query("uploadId")) return multipart(name, request);
  if (request.method == "GET" || request.method == "HEAD") return get(name, request);
  if (request.method == "PUT") {
    objects[name] = request.body;
    return {200, {{"ETag", etag_of(request.body)}}, "", {}};
  }
  if (request.method == "DELETE") {
    objects.erase(name);
    return {204, {}, "", {}};
  }
  return error(405, "MethodNotAllowed", "not allowed");
}

S3Imposter::Answer S3Imposter::get(const std::string& name, const Request& request) const {
  const auto found = objects.find(name);
  if (found == objects.end()) return error(404, "NoSuchKey", "The specified key does not exist.");
  const std::string& content = found->second;
  Answer whole{200, {{"Last-Modified", "Sat, 21 Nov 2026 12:00:00 GMT"}}, content, {}};
  if (!etags) return whole;
  whole.headers.set("ETag", etag_of(content));
  const auto range = request.headers.find("Range");
  const auto if_range = request.headers.find("If-Range");
  if (!range || (if_range && *if_range != etag_of(content))) return whole;
  const std::size_t first = std::stoul(part_of(std::string(*range), "bytes=", "-"));
  if (first >= content.size()) return {416, {{"Content-Range", "bytes */" + std::to_string(content.size())}}, "", {}};
  whole.status = 206;
  whole.headers.set("Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(content.size() - 1) + "/" +
                                         std::to_string(content.size()));
  whole.body = content.substr(first);
  return whole;
}

S3Imposter::Answer S3Imposter::list(const std::string& bucket, const Request& request) const {
  const std::string prefix = bucket + "/" + request.query_value("prefix");
  const std::string after = request.query_value("continuation-token");
  std::size_t limit = page;
  if (request.has_query("max-keys"))
    limit = std::min(limit, static_cast<std::size_t>(std::stoul(request.query_value("max-keys"))));
  std::string xml =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/\">";
  std::size_t n = 0;
  std::string last;
  bool truncated = false;
  for (const auto& [name, content] : objects) {
    if (!name.starts_with(prefix) || (!after.empty() && name <= after)) continue;
    if (n == limit) {
      truncated = true;
      break;
    }
    ++n;
    last = name;
    xml += "<Contents><Key>" + net::percent_encode(name.substr(bucket.size() + 1), "/") + "</Key><Size>" +
           std::to_string(content.size()) + "</Size><ETag>" + xml_escape(etag_of(content)) + "</ETag></Contents>";
  }
  xml += truncated
             ? "<IsTruncated>true</IsTruncated><NextContinuationToken>" + xml_escape(last) + "</NextContinuationToken>"
             : "<IsTruncated>false</IsTruncated>";
  return {200, {{"Content-Type", "application/xml"}}, xml + "</ListBucketResult>", {}};
}

S3Imposter::Answer S3Imposter::multipart(const std::string& name, const Request& request) {
  if (request.has_query("uploads")) {
    const std::string id = "upload+" + std::to_string(next_upload_++) + "/=";
    uploads[id];
    return {
        200, {}, "<InitiateMultipartUploadResult><UploadId>" + id + "</UploadId></InitiateMultipartUploadResult>", {}};
  }
  const std::string id = request.query_value("uploadId");
  const auto upload = uploads.find(id);
  if (upload == uploads.end()) return error(404, "NoSuchUpload", "The specified upload does not exist.");
  if (request.method == "PUT") {
    upload->second[std::stoi(request.query_value("partNumber"))] = request.body;
    return {200, {{"ETag", etag_of(request.body)}}, "", {}};
  }
  if (request.method == "DELETE") {
    uploads.erase(upload);
    return {204, {}, "", {}};
  }
  const auto order = parse_xml(request.body).value();
  std::string content;
  for (const auto& part : order.children) {
    const auto& body = upload->second.at(std::stoi(std::string(part.get("PartNumber"))));
    if (part.get("ETag") != etag_of(body)) return error(400, "InvalidPart", "One or more parts have another ETag");
    content += body;
  }
  objects[name] = content;
  uploads.erase(upload);
  return {200, {}, "<CompleteMultipartUploadResult><Key>" + name + "</Key></CompleteMultipartUploadResult>", {}};
}

}  // namespace sedna::storage
