// What the files of RoundClient share. Not for users.
//   round_client.cpp          what its user calls
//   round_client_plan.cpp     the poller: what is to be done, and models
//   round_client_upload.cpp   the uploader: updates, and what coding has lost
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sedna/base/fork.hpp"
#include "sedna/federated/codec.hpp"
#include "sedna/federated/personal.hpp"
#include "sedna/federated/round_client.hpp"
#include "sedna/federated/round_plan.hpp"

namespace sedna::federated {

struct RoundClient::Impl {
  explicit Impl(RoundClientOptions o);

  /// An update on its way, kept until its round is over.
  struct Pending {
    std::int64_t round = 0;
    std::vector<Bytes> parts;
    std::uint64_t size = 0;
    bool done = false;  ///< committed, refused, or of no use any more
    bool committed = false;
    std::string object;     ///< its name in the object store, once it is there
    bool direct = false;    ///< it goes to the server itself
    std::string told_full;  ///< the server's last reason why it has no room for it
    bool over = false;      ///< the job ended before it came: there is nothing to do but to wait for the plan to say so
    std::int64_t into = 0;  ///< the round that it is committed to: with asynchronous rules not always its own
    std::int64_t epoch = 0;  ///< the server's that said so
  };

  std::string path(const std::string& rest) const { return "/" + options.aggregation + rest; }
  net::HttpOutcome call(const std::string& method, const std::string& target, std::vector<Bytes> body,
                        SteadyClock::duration limit, net::Headers headers = {});
  /// POST …/join or …/leave.
  net::HttpOutcome call_about_me(const std::string& rest, SteadyClock::duration limit);
  static std::string reason_in(const net::HttpResponse& response);

  // The poller.
  void poll();
  /// One question; true when there was an answer.
  bool poll_once(std::string& failure);
  bool act(RoundPlan fresh, std::string& failure);
  void settle_by_plan_locked(const RoundPlan& fresh);
  std::optional<Model> download(const RoundPlan& fresh, std::string& failure);
  void take_model_locked(Model model, const std::string& digest);
  /// Whether there is something to hand out, its model here or not.
  bool due_locked() const;
  bool model_here_locked() const { return plan->model_round < 0 || plan->model_digest == model_digest; }

  // The uploader.
  void upload_all();
  /// One try. True when there is an answer that settles it.
  bool upload(Pending& job);
  /// One try through the object store; nothing when it has to go to the server itself.
  std::optional<bool> upload_through_store(Pending& job, const std::string& target);
  std::optional<Model> download_from_store(const RoundPlan& fresh);
  bool settle(Pending& job, const net::HttpResponse& response, bool only_asked);
  void refuse(Pending& job, std::string reason);
  std::filesystem::path residual_file() const;
  void load_residual();
  void save_residual() const;
  /// The newest update is settled: what it lost counts only if what it sent does.
  void settle_residual();

  bool ended();
  bool was_up();
  void end(Error reason);

  RoundClientOptions options;
  const std::uint64_t generation = fork_generation();
  net::HttpClient http;
  std::atomic<bool> closing{false};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> exchanged{0};
  std::unique_ptr<Exchange> exchange;
  const Pending* tried = nullptr;  // from the upload thread only

  std::mutex mutex;
  std::condition_variable changed;
  std::optional<RoundPlan> plan;
  std::string model_digest;
  std::shared_ptr<const Model> newest;
  bool task_due = false;
  std::int64_t task_round = 0;
  std::shared_ptr<const Model> task_base;
  PersonalPart personal;  ///< from the user's thread only, as the next two
  Residual residual;
  Residual next_residual;  ///< with the newest update
  std::shared_ptr<Pending> pending;
  bool uploading = false;
  std::string refusal;
  std::uint64_t resumed = 0;
  std::uint64_t reconnects = 0;
  std::optional<Error> end_reason;
  std::thread poller;
  std::thread uploader;
};

}  // namespace sedna::federated
