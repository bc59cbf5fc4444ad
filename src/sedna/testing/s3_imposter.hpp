// An object store for tests, on loopback: checks every signature by signing again, pages its listings, knows ranges and
// multipart uploads, and fails on request. Also serves plain GET/PUT when no key is set.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sedna/storage/sigv4.hpp"
#include "sedna/storage/url.hpp"

namespace sedna::storage {

class S3Imposter {
 public:
  struct Request {
    std::string method;
    std::string path;   ///< as sent, still encoded
    std::string query;  ///< as sent
    net::Headers headers;
    std::string body;
    std::string query_value(std::string_view name) const;  ///< decoded; "" when absent
    bool has_query(std::string_view name) const;
  };
  struct Answer {
    int status = 200;
    net::Headers headers;
    std::string body;
    std::optional<std::size_t> cut_after;  ///< drop the connection after so many bytes of the body
  };
  /// Looks at a request before the store does; an answer here is final.
  using Hook = std::function<std::optional<Answer>(const Request&)>;

  S3Imposter();
  ~S3Imposter();
  S3Imposter(const S3Imposter&) = delete;
  S3Imposter& operator=(const S3Imposter&) = delete;

  std::string origin() const;
  /// Endpoint and key of this store.
  S3Options options() const;

  // Everything below under `lock()` while requests are under way.
  std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
  std::map<std::string, std::string> objects;                 ///< "bucket/key" → content
  std::map<std::string, std::map<int, std::string>> uploads;  ///< multipart uploads under way
  std::vector<Request> requests;                              ///< all that came, in order
  SigningKey key{"AKIDTEST", "secret/of+the=test", "", "us-east-1", "s3"};
  bool check_signature = true;
  std::size_t page = 3;
  bool etags = true;
  Hook hook;

 private:
  void accept_loop();
  void serve(int fd);
  Answer answer(const Request& request);
  Answer store(const Request& request);
  std::optional<Answer> refuse_signature(const Request& request) const;
  Answer list(const std::string& bucket, const Request& request) const;
  Answer get(const std::string& name, const Request& request) const;
  Answer multipart(const std::string& name, const Request& request);

  std::mutex mutex_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  int next_upload_ = 1;
  bool stopping_ = false;
  std::list<int> connections_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace sedna::storage
