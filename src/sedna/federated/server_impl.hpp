// What the files of AggregationServer share. Not for users.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "sedna/federated/codec.hpp"
#include "sedna/federated/features.hpp"
#include "sedna/federated/journal.hpp"
#include "sedna/federated/partial_sum.hpp"
#include "sedna/federated/peer.hpp"
#include "sedna/federated/round_client.hpp"
#include "sedna/federated/rounds.hpp"
#include "sedna/federated/rules.hpp"
#include "sedna/federated/server.hpp"
#include "sedna/federated/staging.hpp"
#include "sedna/federated/update_file.hpp"
#include "sedna/federated/wire.hpp"
#include "sedna/serve/offload.hpp"

namespace sedna::federated {

/// "committed", "duplicate", …: as clients are told, and as the metric's label.
std::string_view outcome_name(RoundMachine::Outcome outcome);

/// A file that is whole or not there.
void write_whole(const std::filesystem::path& file, const std::vector<Bytes>& parts);

/// The clip's history travels with the algorithm's state.
inline constexpr std::string_view kClipHistory = "clip.history";

struct AggregationServer::Impl {
  /// What became of a message: who this connection is from now on, or that it must end.
  struct Step {
    std::optional<std::string> client;
    std::uint16_t close_code = 0;
    std::string reason;
  };
  /// A connection as its messages are handled.
  struct Session {
    std::shared_ptr<Peer> peer;
    std::string client;    ///< once it has subscribed
    std::string identity;  ///< whom its token or certificate names; empty when nobody was asked
  };

  /// The open round's sum, filled in the order of commits by whichever pool thread is free.
  struct OpenRound {
    std::int64_t round = 0;
    std::unique_ptr<RoundSum> sum;  ///< once the model that the round begins with is known
    struct Waiting {
      Update update;
      bool unchecked = false;  ///< it came before the sum was there to ask
    };
    std::deque<Waiting> waiting;
    bool adding = false;
    bool idle() const { return waiting.empty() && !adding; }
  };
  struct Publication {
    RoundMachine::Closed closed;
    std::shared_ptr<OpenRound> open;
    json::object envelope;
    RoundReport report;
    std::size_t clients = 0;
    // Of a site.
    std::vector<Bytes> file{};  ///< the sum, once it is made
    bool sent = false;
  };
  /// What the aggregator above has made.
  struct News {
    std::int64_t round = 0;
    bool last = false;
    double samples = 0;
    std::optional<Model> model;
  };
  /// A model as it is served.
  struct Published {
    std::shared_ptr<const Model> model;
    std::string digest;        ///< SHA-256 of the file
    std::vector<Bytes> parts;  ///< the file
    std::uint64_t size = 0;
    double total_weight = 0;
    bool last = false;
    bool none = false;
  };
  using History = std::map<std::int64_t, std::shared_ptr<const Published>>;
  /// A client that speaks HTTP.
  struct Member {
    RoundMachine::Connection connection = 0;
    SteadyClock::time_point expires;
  };
  /// An update of a client that is not chosen (yet).
  struct Parked {
    Update update;
    Offer offer;
  };
  /// An upload under way, or broken off and waiting to be resumed.
  struct Upload {
    std::int64_t round = 0;
    std::unique_ptr<Staging> staging;
    std::uint64_t user = 0;  ///< which request has it; a newer one takes it over
    bool busy = false;
  };

  Impl(AggregationServerOptions o, metrics::Registry& registry);
  ~Impl();

  // Connections (server_socket.cpp).
  net::Task<void> serve_socket(serve::Request& request, serve::WebSocket& socket);
  net::Task<serve::Response> tell_clients(serve::Request& request);
  /// Runs on the pool: reads a message and acts on it.
  Step handle(const Session& session, std::string_view text);
  Step subscribe(const Session& session, const Frame& frame);
  void take_update(const Session& session, Frame frame, std::size_t bytes);
  /// A site that waits for its initial model: keeps the update until then.
  bool park_initial(const Session& session, Update& update, Offer& offer);
  Step pass_on(const Frame& frame, std::size_t bytes);
  void leave(const Session& session, bool clean);

  void count_update(const RoundMachine::Verdict& verdict, const std::string& client);

  // Routes (server_http.cpp), updates (server_upload.cpp).
  void add_routes();
  net::Task<serve::Response> join(serve::Request& request);
  net::Task<serve::Response> leave_by_request(serve::Request& request);
  net::Task<serve::Response> plan(serve::Request& request);
  net::Task<serve::Response> get_model(serve::Request& request);
  net::Task<serve::Response> upload_state(serve::Request& request);
  net::Task<serve::Response> put_update(serve::Request& request);
  /// Why an update of this round would be of no use now; nothing when it may come.
  std::optional<serve::Response> refuse_round_locked(const std::string& client, std::int64_t round);
  /// What the header says against what the job knows, before (or without) a look at the tensors.
  Result<void> check_upload_header(std::string_view header_text, std::uint64_t total, const std::string& client,
                                   std::int64_t round);
  /// There is no room for an update (now): the client keeps it and comes again.
  serve::Response full_answer(const Error& error);
  serve::Response refuse_upload(const std::string& client, const Error& reason);
  // An object store (server_exchange.cpp).
  net::Task<serve::Response> fetch_update(serve::Request& request);
  serve::Response take_from_store(const std::string& client, std::int64_t round, const std::string& name,
                                  std::uint64_t size, const std::string& sha256);
  std::uint64_t largest_update_locked() const;
  void offer_model(const Published& fresh);
  net::Task<std::optional<serve::Response>> receive(serve::Request& request, const std::string& client,
                                                    std::int64_t round, std::shared_ptr<Upload> upload);
  /// Runs on the pool: a whole upload is checked and committed.
  serve::Response finish_upload(const std::string& client, std::int64_t round, Staging& staging,
                                const std::string& digest);
  /// A file as an update, decoded where it is coded.
  Result<Update> read_update(const Bytes& file, const std::string& client);
  serve::Response take_initial(const std::string& client, Update update);
  serve::Response initial_answer_locked() const;  ///< to an offer that is not needed (now)
  std::string plan_text_locked(const std::string& client) const;
  void touch_locked(const std::string& client);
  void expire_members_locked(SteadyClock::time_point now);
  std::string client_of(const serve::Request& request, std::string_view named) const;

  // Rounds (server_rounds.cpp). The lock is held where the name says so.
  /// A checked update: into the records, then into the sum. `staged` is the file it lies in, if any.
  RoundMachine::Verdict commit(Update update, Offer offer, Staging* staged);
  /// The same for updates that are nowhere but in memory: nothing when the disk is full, and the conductor tries again.
  std::optional<RoundMachine::Verdict> commit_or_park(Update update, Offer offer);
  // Asynchronous rules (server_asynchronous.cpp).
  bool asynchronous() const { return machine.asynchronous(); }
  /// The weights that an update of `round` began with; null when they are not kept (any more).
  std::shared_ptr<const Weights> beginning_locked(std::int64_t round) const;
  /// Keeps the newest model for those who begin with it now, and lets go what nobody may have begun with any more.
  void keep_history_locked();
  void restore_history(std::int64_t newest);
  std::shared_ptr<const Published> from_disk(std::int64_t round, const std::string& digest) const;
  Result<void> check(Update& update);
  /// The part of it that another client's update, committed meanwhile, may have changed; and what it changes.
  Result<void> check_form_locked(const Update& update) const;
  void learn_form_locked(const Update& update);
  RoundMachine::Verdict refuse(const std::string& client, const Error& reason);
  void add_waiting(const std::shared_ptr<OpenRound>& open);
  void open_round_locked();
  /// The round that begins with the newest model: the open one, or one that has closed since and waits for its turn.
  std::shared_ptr<OpenRound> after_newest_locked() const;
  void conduct();
  void collect_closed_locked();
  void collect_chosen_locked();
  std::optional<Parked> take_parked_locked();
  void publish(Publication publication);
  /// Makes a model the one that the next round begins with, on disk first.
  /// `patient`: a full disk is waited for.
  void install(Model model, const RoundReport& report, bool none, bool patient,
               std::map<std::string, ClientHistory> known = {});
  /// Runs `write` until the disk has room for it, but not beyond the job's idle limit. Throws what `write` throws, and
  /// Error(kUnavailable) when the server is told to stop.
  void when_there_is_room(const char* what, const std::function<void()>& write);
  /// Keeps the reason for all who ask how the job gets on; empty: it gets on again.
  void stall_locked(const char* what, std::string reason);
  void end_locked();
  void send_model_locked(const std::shared_ptr<Peer>& peer);
  void broadcast_locked(const Bytes& text, const Peer* except = nullptr);
  void changed_locked();  ///< wakes those who wait for a plan
  void stop();
  void step(const char* name) const {
    if (options.on_step) options.on_step(name);
  }
  /// Tells everybody of the newest model.
  void announce(const json::object& like, RoundReport report);

  // Sites (server_site.cpp): of this one, with an aggregator above, and of those below.
  Result<void> may_send_sums(const std::string& client) const;
  void follow_upstream();
  static News news_of(RoundTask task);
  /// What is to be done for the aggregator above; false when that is nothing.
  bool site_turn(std::unique_lock<std::mutex>& lock);
  void close_sum(Publication& closed);
  void restore_sum(const Record& record);
  void take_news(News next, bool tell);
  void offer_upwards(const Weights& weights, const std::string& client);
  /// Whether a client's weights may become the initial model (now).
  bool initial_wanted_locked() const { return wants_initial && !installing_initial && !offered_initial; }
  // Restarts (server_restore.cpp).
  void restore();
  void begin_with_upstream();
  void prune_models(std::int64_t newest) const;

  AggregationServerOptions options;
  metrics::Counter& rounds_total;
  metrics::Gauge& round_gauge;
  metrics::Gauge& clients_gauge;
  metrics::Counter& received_bytes;
  metrics::Counter& sent_bytes;
  metrics::Registry& registry;

  mutable std::mutex mutex;
  std::condition_variable changed;  ///< a round closed, the job ended, or stop() was called
  Codec codec;
  Rules rules;  ///< used by one round's sum at a time
  RoundMachine machine;
  std::map<std::string, std::shared_ptr<Peer>> peers;
  std::uint64_t connections = 0;
  json::object envelope;  ///< of the newest committed update that came as JSON
  std::shared_ptr<OpenRound> open;
  std::deque<Publication> to_publish;
  Manifest manifest;         ///< of the model, once known
  FeatureForm feature_form;  ///< of updates that are features, once known
  std::shared_ptr<const Published> published;
  std::shared_ptr<const Published> before;  ///< the one before: slow clients may still fetch it
  History history;                          ///< asynchronous rules: all that updates may have begun with
  std::vector<std::string> chosen;          ///< for the open round, as far as chosen
  /// Updates of upstream's clients: they train before they are asked, and may be chosen for the open round yet; or they
  /// wait for room on the disk.
  std::map<std::string, Parked> parked;
  bool wants_initial = false;       ///< the first client's weights are what round 1 begins with
  bool installing_initial = false;  ///< a client's weights are becoming it; until they are, it is wanted
  bool offered_initial = false;     ///< a site: they were offered to the aggregator above
  Bytes model_text;                 ///< the newest published model's recv_weight, once a socket needed it
  std::int64_t model_round = 0;
  std::uint64_t round_bytes = 0;
  std::uint64_t round_bytes_sent = 0;
  SteadyClock::time_point round_began = SteadyClock::now();
  std::string stalled;                          ///< why nothing can be written down; empty: it can
  SteadyClock::time_point parked_not_before{};  ///< when parked updates are tried again
  bool over = false;
  bool stopping = false;
  bool started = false;

  std::map<std::string, Member> members;
  /// Until when a client that said goodbye counts as gone whatever else of it arrives: only a new join brings it back.
  std::map<std::string, SteadyClock::time_point> left;
  std::map<std::string, std::shared_ptr<Upload>> uploads;
  std::map<std::string, std::string> rejections;  ///< of the open round: why, for clients whose connection broke
  std::uint64_t plan_version = 1;
  std::vector<std::pair<std::string, std::weak_ptr<net::asio::steady_timer>>> plan_waiters;
  std::shared_ptr<StagingBudget> budget;
  std::filesystem::path staging_folder;
  std::int64_t epoch = 1;  ///< which run of the server this is: no two runs of a job have the same
  std::unique_ptr<FolderLock> folder_lock;
  std::unique_ptr<Journal> journal;
  Layout layout;

  std::unique_ptr<Exchange> exchange;
  std::deque<std::string> offered;  ///< digests of the models in the store; of whoever installs models

  serve::Offload pool;
  std::unique_ptr<serve::Offload> exchange_pool;
  std::optional<News> news;
  std::thread follower;  ///< of the aggregator above
  std::thread conductor;
  serve::Server server;  // last: ends before what its handlers use
};

}  // namespace sedna::federated
