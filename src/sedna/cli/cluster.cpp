#include "sedna/cli/cluster.hpp"

#include <cstdlib>
#include <filesystem>

#include "sedna/base/error.hpp"
#include "sedna/store/kube/kube_client.hpp"

namespace sedna::cli {
namespace {

store::Status lost(const Error& error) {
  store::Status status;
  status.code = 503;
  status.reason = "ServiceUnavailable";
  status.message = error.what();
  return status;
}

class KubeCluster final : public Cluster {
 public:
  explicit KubeCluster(store::KubeConfig config) : client_(std::move(config), options()) {}

  store::ApiServer& api() override { return client_; }

  store::Outcome<std::string> get(const std::string& target, const std::string& accept) override {
    auto answer = client_.raw(request(target, accept));
    if (!answer) return answer.status();
    return std::string(answer->body.text());
  }

  store::Outcome<bool> stream(const std::string& target, const std::string& accept, const Sink& sink) override {
    auto opened = client_.open(request(target, accept));
    if (!opened) return opened.status();
    for (;;) {
      const auto piece = (*opened)->next(Deadline::never());
      using State = net::HttpStream::Piece::State;
      if (piece.state == State::kFailed) return lost(*piece.error);
      if (piece.state != State::kData) return true;
      const std::string_view text(reinterpret_cast<const char*>(piece.data.data()), piece.data.size());
      if (!sink(text)) return false;
    }
  }

  std::string url() const override { return client_.config().server; }
  std::string default_namespace() const override {
    return client_.config().ns.empty() ? "default" : client_.config().ns;
  }

 private:
  static store::KubeClientOptions options() {
    store::KubeClientOptions out;
    out.user_agent = "sedna-cli/0.1";
    return out;
  }
  static net::HttpRequest request(const std::string& target, const std::string& accept) {
    net::HttpRequest out;
    out.target = target;
    out.headers.add("Accept", accept);
    return out;
  }

  store::KubeClient client_;
};

}  // namespace

std::unique_ptr<Cluster> connect(const ClusterOptions& options) {
  namespace fs = std::filesystem;
  store::KubeConfigOptions load;
  load.context = options.context;
  load.file = options.kubeconfig;
  const char* variable = std::getenv("KUBECONFIG");
  const bool by_variable = variable != nullptr && *variable != 0 && !options.state_given;
  const bool named = !options.kubeconfig.empty() || by_variable;
  const fs::path home = fs::path(options.state) / "kubeconfig";
  std::error_code error;
  if (!named && !options.state.empty() && fs::exists(home, error)) load.file = home.string();
  if (options.state_given && options.kubeconfig.empty() && load.file.empty()) {
    throw Error(ErrorCode::kNotFound, "there is no home in it; `sedna up --state DIR` makes one", options.state);
  }
  try {
    return std::make_unique<KubeCluster>(store::load_kube_config(load));
  } catch (const Error& failure) {
    if (failure.code() != ErrorCode::kNotFound || named) throw;
    throw Error(ErrorCode::kNotFound, "there is no home on this machine (" + options.state +
                                          ") and no kubeconfig; `sedna up` starts one, --kubeconfig names another. " +
                                          failure.message());
  }
}

}  // namespace sedna::cli
