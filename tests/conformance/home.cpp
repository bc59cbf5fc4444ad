#include "tests/conformance/home.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <map>

#include "sedna/base/error.hpp"
#include "sedna/store/embedded/embedded_server.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX declares it nowhere

namespace sedna::conformance {
namespace {

namespace fs = std::filesystem;

class EmbeddedHome final : public Home {
 public:
  std::string_view name() const override { return "embedded"; }
  store::ApiServer& api() override { return server_; }

 private:
  store::embedded::EmbeddedServer server_;
};

store::KubeClient connect(const std::string& kubeconfig) {
  store::KubeConfigOptions options;
  options.file = kubeconfig;
  return store::KubeClient(store::load_kube_config(options));
}

class KubeHome final : public Home {
 public:
  explicit KubeHome(const std::string& kubeconfig) : client_(connect(kubeconfig)) {}
  std::string_view name() const override { return "kube"; }
  store::ApiServer& api() override { return client_; }
  store::KubeClient* client() override { return &client_; }

 private:
  store::KubeClient client_;
};

/// sedna-apiserver with a state folder of its own, ended with this object.
class Daemon {
 public:
  Daemon(const std::string& program, bool loops)
      : folder_(fs::temp_directory_path() /
                ("sedna-conformance-" + std::to_string(::getpid()) + (loops ? "-loops" : ""))) {
    fs::create_directories(folder_);
    std::array<int, 2> out{};
    if (::pipe2(out.data(), O_CLOEXEC) != 0) throw Error(ErrorCode::kInternal, "no pipe");
    const std::string state = (folder_ / "state").string();
    std::vector<std::string> words{program, "--state", state, "--port", "0"};
    if (!loops) words.emplace_back("--no-loops");
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (folder_ / "log").c_str(), O_CREAT | O_WRONLY | O_TRUNC,
                                     0600);
    const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    const bool ready = failed == 0 && wait_ready(out[0]);
    ::close(out[0]);
    if (!ready) {
      stop();
      throw Error(ErrorCode::kUnavailable, "sedna-apiserver did not become ready; its log is in " + folder_.string());
    }
  }
  ~Daemon() {
    stop();
    fs::remove_all(folder_);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  std::string kubeconfig() const { return (folder_ / "state" / "kubeconfig").string(); }

 private:
  static bool wait_ready(int fd) {
    const Deadline deadline = Deadline::after(std::chrono::seconds(30));
    std::string text;
    while (text.find("READY") == std::string::npos || text.find('\n') == std::string::npos) {
      pollfd entry{fd, POLLIN, 0};
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline.remaining());
      if (::poll(&entry, 1, static_cast<int>(left.count())) <= 0) return false;
      std::array<char, 512> piece{};
      const ssize_t n = ::read(fd, piece.data(), piece.size());
      if (n <= 0) return false;
      text.append(piece.data(), static_cast<std::size_t>(n));
    }
    return true;
  }
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  fs::path folder_;
  pid_t pid_ = 0;
};

class DaemonHome final : public Home {
 public:
  DaemonHome(const std::string& program, bool loops)
      : name_(loops ? "apiserver-with-loops" : "apiserver"),
        daemon_(program, loops),
        client_(connect(daemon_.kubeconfig())) {}
  std::string_view name() const override { return name_; }
  store::ApiServer& api() override { return client_; }
  store::KubeClient* client() override { return &client_; }

 private:
  const std::string_view name_;
  Daemon daemon_;
  store::KubeClient client_;
};

std::string variable(const char* name) {
  const char* value = ::getenv(name);  // NOLINT(concurrency-mt-unsafe): before threads
  return value == nullptr ? std::string() : std::string(value);
}

std::map<std::string, std::unique_ptr<Home>, std::less<>>& homes() {
  static std::map<std::string, std::unique_ptr<Home>, std::less<>> all;
  return all;
}

}  // namespace

const std::vector<std::string>& home_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out{"embedded"};
#ifdef SEDNA_APISERVER_PROGRAM
    out.emplace_back("apiserver");
#endif
    if (!variable("SEDNA_CONFORMANCE_KUBECONFIG").empty()) out.emplace_back("kube");
    return out;
  }();
  return names;
}

Home& home(std::string_view name) {
  if (const auto found = homes().find(name); found != homes().end()) return *found->second;
  std::unique_ptr<Home> made;
  if (name == "embedded") made = std::make_unique<EmbeddedHome>();
#ifdef SEDNA_APISERVER_PROGRAM
  if (name == "apiserver") made = std::make_unique<DaemonHome>(SEDNA_APISERVER_PROGRAM, false);
  if (name == "apiserver-with-loops") made = std::make_unique<DaemonHome>(SEDNA_APISERVER_PROGRAM, true);
#endif
  if (name == "kube") made = std::make_unique<KubeHome>(variable("SEDNA_CONFORMANCE_KUBECONFIG"));
  if (made == nullptr) throw Error(ErrorCode::kInvalidArgument, "no such home", std::string(name));
  return *homes().emplace(name, std::move(made)).first->second;
}

void end_homes() {
  homes().clear();
}

std::string Home::fresh_namespace() {
  api::Object object = api::new_object(api::kinds::kNamespace, "", "");
  json::object& metadata = api::make_object(object, {"metadata"});
  metadata.erase("name");
  metadata["generateName"] = "conformance-";
  return std::string(api::name_of(api().create(api::kinds::kNamespace, object, {}).value()));
}

api::Object config_map(std::string_view ns, std::string_view name, std::string_view value) {
  api::Object object = api::new_object(api::kinds::kConfigMap, ns, name);
  object["data"] = json::object{{"key", value}};
  return object;
}

api::Object lease(std::string_view ns, std::string_view name) {
  api::Object object = api::new_object(api::kinds::kLease, ns, name);
  object["spec"] = json::object{{"holderIdentity", "me"}, {"leaseDurationSeconds", 15}};
  return object;
}

api::Object dataset(std::string_view ns, std::string_view name) {
  api::Object object = api::new_object(api::kinds::kDataset, ns, name);
  object["spec"] = json::object{{"url", "/data/index.txt"}, {"format", "txt"}, {"nodeName", "edge0"}};
  return object;
}

}  // namespace sedna::conformance
