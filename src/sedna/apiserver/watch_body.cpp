#include "sedna/apiserver/watch_body.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sedna::apiserver {
namespace {

namespace asio = net::asio;
using store::WatchEvent;
using store::embedded::RawEvent;
using store::embedded::WatchCursor;

/// What has piled up goes out in one piece, up to this size.
constexpr std::size_t kPiece = 64 * 1024;

std::string bookmark_object(const api::Kind& kind, const RawEvent& event, const Wanted& wanted) {
  json::object metadata{{"resourceVersion", std::to_string(event.resource_version)}};
  if (event.initial_events_end) {
    metadata["annotations"] = json::object{{"k8s.io/initial-events-end", "true"}};
  }
  json::object object{{"kind", kind.kind}, {"apiVersion", kind.api_version()}, {"metadata", std::move(metadata)}};
  if (wanted.shape == Shape::kTable) {
    object["kind"] = "Table";
    object["apiVersion"] = "meta.k8s.io/v1";
    object["columnDefinitions"] = json::array();
    object["rows"] = json::array();
  } else if (wanted.shape == Shape::kMetadata) {
    object["kind"] = "PartialObjectMetadata";
    object["apiVersion"] = "meta.k8s.io/v1";
  }
  return json::write(object);
}

class WatchBody final : public serve::BodyProducer {
 public:
  WatchBody(std::shared_ptr<WatchCursor> cursor, Wanted wanted)
      : cursor_(std::move(cursor)), wanted_(std::move(wanted)) {}
  ~WatchBody() override { cursor_->stop(); }
  WatchBody(const WatchBody&) = delete;
  WatchBody& operator=(const WatchBody&) = delete;

  bool waits() const override { return true; }

  net::Task<Bytes> next() override {
    std::string piece;
    const auto executor = co_await asio::this_coro::executor;
    for (;;) {
      while (piece.size() < kPiece) {
        const auto event = cursor_->poll();
        if (!event) break;
        piece += event_line(cursor_->kind(), *event, wanted_, first_);
        first_ = false;
      }
      if (!piece.empty() || cursor_->done()) break;
      const auto timer = std::make_shared<asio::steady_timer>(executor, cursor_->due());
      // The store's thread only asks the timer's own thread to end the wait.
      cursor_->when_woken([timer, executor] { asio::post(executor, [timer] { timer->cancel(); }); });
      boost::system::error_code error;
      co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, error));
      cursor_->forget_call();
    }
    co_return Bytes::from_string(std::move(piece));
  }

 private:
  std::shared_ptr<WatchCursor> cursor_;
  const Wanted wanted_;
  bool first_ = true;
};

}  // namespace

std::string event_line(const api::Kind& kind, const RawEvent& event, const Wanted& wanted, bool first) {
  std::string out = R"({"type":")";
  switch (event.type) {
    case WatchEvent::Type::kAdded:
      out += R"(ADDED","object":)";
      break;
    case WatchEvent::Type::kModified:
      out += R"(MODIFIED","object":)";
      break;
    case WatchEvent::Type::kDeleted:
      out += R"(DELETED","object":)";
      break;
    case WatchEvent::Type::kBookmark:
      return out + R"(BOOKMARK","object":)" + bookmark_object(kind, event, wanted) + "}\n";
    case WatchEvent::Type::kError:
      return out + R"(ERROR","object":)" + json::write(event.status.to_json()) + "}\n";
  }
  return out + shaped_text(kind, event.stored, wanted, first) + "}\n";
}

serve::Response watch_response(std::shared_ptr<WatchCursor> cursor, const Wanted& wanted) {
  serve::Response response;
  response.headers.add("Content-Type", "application/json");
  response.headers.add("Cache-Control", "no-cache, private");
  response.producer = std::make_shared<WatchBody>(std::move(cursor), wanted);
  return response;
}

}  // namespace sedna::apiserver
