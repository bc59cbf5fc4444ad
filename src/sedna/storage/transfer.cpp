#include "sedna/storage/transfer.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <thread>

#include "sedna/base/ids.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::storage {

HttpPool::HttpPool(net::HttpClientOptions options) : options_(std::move(options)) {}

net::HttpClient& HttpPool::client(const std::string& origin, bool with_token) {
  const std::lock_guard lock(mutex_);
  auto& slot = clients_[{origin, with_token}];
  if (!slot) {
    net::HttpClientOptions options = options_;
    if (!with_token) {
      options.bearer_token.clear();
      options.tls.cert_file.clear();
      options.tls.key_file.clear();
    }
    slot = std::make_unique<net::HttpClient>(origin, std::move(options));
  }
  return *slot;
}

Error status_error(std::string_view method, const net::HttpResponse& response, const std::string& subject) {
  std::string message = std::string(method) + ": " + std::to_string(response.status) + " " +
                        std::string(net::reason_phrase(response.status));
  std::string said(response.body.text().substr(0, 300));
  const bool text = std::all_of(said.begin(), said.end(), [](unsigned char c) { return c >= 0x20 || c == '\n'; });
  if (text && !said.empty() && said.find('<') == std::string::npos) {
    std::replace(said.begin(), said.end(), '\n', ' ');
    message += " (" + said + ")";
  }
  return Error(error_code_from_http(response.status), message, subject);
}

bool is_transient(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

bool is_strong_etag(std::string_view value) {
  return value.size() >= 2 && value.front() == '"' && value.back() == '"' && value.find('\n') == std::string_view::npos;
}

Result<ContentRange> parse_content_range(std::string_view value) {
  const Error bad(ErrorCode::kDataLoss,
                  "the server sent a Content-Range that makes no sense: '" + std::string(value.substr(0, 100)) + "'");
  constexpr std::string_view kUnit = "bytes ";
  if (!value.starts_with(kUnit)) return bad;
  const char* p = value.data() + kUnit.size();
  const char* const end = value.data() + value.size();
  ContentRange range;
  auto number = [&](std::uint64_t& into) {
    const auto [next, error] = std::from_chars(p, end, into);
    const bool ok = error == std::errc() && next != p;
    p = next;
    return ok;
  };
  auto literal = [&](char c) {
    if (p == end || *p != c) return false;
    ++p;
    return true;
  };
  if (!number(range.first) || !literal('-') || !number(range.last) || !literal('/')) return bad;
  if (std::string_view(p, static_cast<std::size_t>(end - p)) != "*") {
    std::uint64_t total = 0;
    if (!number(total) || p != end || range.last >= total) return bad;
    range.total = total;
  }
  if (range.first > range.last) return bad;
  return range;
}

bool back_off(int tries, std::string_view retry_after, Deadline deadline) {
  using std::chrono::milliseconds;
  const int step = std::min(tries, 6);
  auto wait = milliseconds(static_cast<int>(100.0 * (1 << step) * (0.5 + 0.5 * random_unit())));
  int seconds = 0;
  if (std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds).ec == std::errc())
    wait = std::max(wait, milliseconds(1000) * std::clamp(seconds, 0, 60));
  if (!deadline.is_never() && deadline.remaining() <= wait) return false;
  std::this_thread::sleep_for(wait);
  return true;
}

net::HttpResponse exchange_with_retries(const std::function<net::HttpOutcome()>& once, std::string_view method,
                                        const std::string& subject, const TransferOptions& options) {
  for (int tries = 0;; ++tries) {
    net::HttpOutcome outcome = once();
    const bool last = tries + 1 >= options.attempts;
    if (outcome.failure) {
      if (last || outcome.failure->error.code() == ErrorCode::kDeadlineExceeded ||
          !back_off(tries, {}, options.deadline))
        throw Error(outcome.failure->error.code(), outcome.failure->error.message(), subject);
      continue;
    }
    if (!is_transient(outcome.response->status)) return std::move(*outcome.response);
    if (last || !back_off(tries, outcome.response->headers.get("Retry-After"), options.deadline))
      throw status_error(method, *outcome.response, subject);
  }
}

namespace {

/// One download: the file as far as it has come, and the rules for each answer's header and pieces.
class Fetch {
 public:
  Fetch(const std::string& shown, const std::filesystem::path& destination, const TransferOptions& options)
      : shown_(shown),
        options_(options),
        file_(options.resume ? AtomicFile::resumable(destination, sha256_hex(shown)) : AtomicFile(destination)) {}

  net::Headers headers() const {
    // Compressed on the way, neither the length nor the digest would be those of the file.
    net::Headers extra{{"Accept-Encoding", "identity"}};
    if (file_.size() > 0 && !file_.version().empty()) {
      extra.add("Range", "bytes=" + std::to_string(file_.size()) + "-");
      extra.add("If-Range", file_.version());
    }
    return extra;
  }

  void on_head(const net::HttpResponse& response) {
    total_.reset();
    const std::string_view etag = response.headers.get("ETag");
    if (response.status == 206) {
      const ContentRange range = parse_content_range(response.headers.get("Content-Range")).value();
      if (range.first != file_.size() || (!etag.empty() && etag != file_.version())) {
        restart();
        throw Error(ErrorCode::kDataLoss, "the server answered another range or version than asked for", shown_);
      }
      total_ = range.total;
    } else {
      file_.truncate(0);
      file_.set_version(is_strong_etag(etag) ? etag : std::string_view());
      std::uint64_t length = 0;
      if (const auto text = response.headers.get("Content-Length");
          !text.empty() && std::from_chars(text.data(), text.data() + text.size(), length).ec == std::errc())
        total_ = length;
    }
    if (total_) {
      check_size(*total_);
      file_.reserve(*total_);
    }
  }

  void on_piece(std::span<const std::byte> piece) {
    check_size(file_.size() + piece.size());
    file_.write(piece);
    if (options_.progress) options_.progress(file_.size(), total_);
  }

  void restart() {
    file_.truncate(0);
    file_.set_version({});
  }

  std::uint64_t size() const { return file_.size(); }
  /// A server may answer a range with less than what was asked for.
  bool incomplete() const { return total_ && file_.size() < *total_; }
  void keep() { file_.keep(); }

  std::uint64_t finish() {
    if (total_ && file_.size() != *total_)
      throw Error(ErrorCode::kDataLoss,
                  "got " + std::to_string(file_.size()) + " of " + std::to_string(*total_) + " bytes", shown_);
    if (!options_.sha256.empty()) {
      const std::string actual = sha256_file(file_.temporary());
      if (actual != options_.sha256)
        throw Error(ErrorCode::kDataLoss, "the content's SHA-256 is " + actual + ", expected " + options_.sha256,
                    shown_);
    }
    file_.commit();
    return file_.size();
  }

 private:
  void check_size(std::uint64_t size) {
    if (options_.max_size && size > options_.max_size)
      throw Error(ErrorCode::kResourceExhausted,
                  "larger than the limit of " + std::to_string(options_.max_size) + " bytes", shown_);
  }

  const std::string& shown_;
  const TransferOptions& options_;
  AtomicFile file_;
  std::optional<std::uint64_t> total_;
};

}  // namespace

std::uint64_t fetch_to_file(const RangedGet& get, const std::string& shown, const std::filesystem::path& destination,
                            const TransferOptions& options) {
  Fetch fetch(shown, destination, options);
  std::uint64_t best = fetch.size();
  for (int tries = 0;;) {
    // An error of our own (disk full, limit, the caller's progress) must not be taken for the network's and retried.
    std::exception_ptr own;
    auto guarded = [&own](auto&& step) {
      try {
        step();
      } catch (...) {
        own = std::current_exception();
        throw;
      }
    };
    const net::HeadSink head = [&](const net::HttpResponse& r) { guarded([&] { fetch.on_head(r); }); };
    const net::BodySink sink = [&](std::span<const std::byte> piece) { guarded([&] { fetch.on_piece(piece); }); };
    const net::HttpOutcome outcome = get(fetch.headers(), options.deadline, sink, head);
    if (own) std::rethrow_exception(own);
    if (fetch.size() > best) {
      best = fetch.size();
      tries = 0;
    }
    ++tries;
    if (outcome.response && outcome.response->status / 100 == 2) {
      if (fetch.incomplete() && tries < options.attempts) continue;
      return fetch.finish();
    }
    if (outcome.response && outcome.response->status == 416 && fetch.size() > 0 && tries < options.attempts) {
      fetch.restart();  // what was kept is not a beginning of what is there now
      continue;
    }
    if (outcome.response && !is_transient(outcome.response->status))
      throw status_error("GET", *outcome.response, shown);
    const std::string_view wait = outcome.response ? outcome.response->headers.get("Retry-After") : std::string_view();
    if (tries >= options.attempts || !back_off(tries - 1, wait, options.deadline)) {
      fetch.keep();
      if (outcome.response) throw status_error("GET", *outcome.response, shown);
      throw Error(outcome.failure->error.code(),
                  outcome.failure->error.message() + " (after " + std::to_string(fetch.size()) + " bytes)", shown);
    }
  }
}

}  // namespace sedna::storage
