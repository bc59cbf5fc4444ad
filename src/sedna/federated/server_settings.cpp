#include "sedna/federated/server_settings.hpp"

#include <algorithm>
#include <charconv>
#include <functional>

#include "sedna/federated/codec.hpp"
#include "sedna/federated/selection.hpp"

namespace sedna::federated {

namespace {

using Apply = std::function<void(AggregationServerOptions&, const std::string& value)>;

struct Setting {
  SettingHelp help;
  Apply apply;
};

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kInvalidArgument, why);
}

double number(const std::string& text, double min, double max) {
  double value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size() || !(value >= min && value <= max)) {
    char low[32], high[32];
    const auto l = std::to_chars(low, low + sizeof low, min).ptr;
    const auto h = std::to_chars(high, high + sizeof high, max).ptr;
    refuse("is '" + text + "'; it must be a number from " + std::string(low, l) + " to " + std::string(high, h));
  }
  return value;
}
std::size_t count(const std::string& text, double min, double max) {
  const double value = number(text, min, max);
  if (value != static_cast<double>(static_cast<std::size_t>(value))) refuse("must be a whole number");
  return static_cast<std::size_t>(value);
}
SteadyClock::duration seconds(const std::string& text) {
  return std::chrono::microseconds(static_cast<std::int64_t>(number(text, 0, 1e9) * 1e6));
}
bool flag(const std::string& text) {
  if (text == "1" || text == "true" || text == "yes" || text == "on") return true;
  if (text == "0" || text == "false" || text == "no" || text == "off" || text.empty()) return false;
  refuse("is '" + text + "'; it must be true or false");
}

std::vector<std::string> names(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    if (comma == at) refuse("is '" + text + "'; it must be names with commas between them");
    out.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

constexpr double kMany = 1e6;

const std::vector<Setting>& all() {
  static const std::vector<Setting> kAll = {
      {{"algorithm",
        "What the server makes of a round, NAME[,key=value...]: FedAvg, FedProx, FedAvgM, FedAdam, FedYogi,"
        " FedAdagrad, SCAFFOLD, FedNova, FedDyn; FedBuff[,buffer=K], FedAsync (asynchronous)"},
       [](auto& o, const auto& v) { o.rules.algorithm = v; }},
      {{"robust",
        "Instead of the mean, NAME[,key=value...]: Median, TrimmedMean, Krum, MultiKrum, Bulyan,"
        " GeometricMedian, FLTrust"},
       [](auto& o, const auto& v) { o.rules.robust = v; }},
      {{"late",
        "What becomes of an update that comes after its round: discard; carry[,maxStaleness=10,staleness=polynomial]:"
        " it counts in the open one, by its age (discard)"},
       [](auto& o, const auto& v) { o.rules.late = v; }},
      {{"clip", "Longest change of the model that one update may make: a number, or median (of past rounds)"},
       [](auto& o, const auto& v) { o.rules.clip = v; }},
      {{"bucket", "So many updates are averaged before the robust rule sees them (1)"},
       [](auto& o, const auto& v) { o.rules.bucket = count(v, 1, kMany); }},
      {{"strict", "The mean in 64-bit integers: the same bits for any order of arrival (false)"},
       [](auto& o, const auto& v) { o.rules.strict = flag(v); }},
      {{"privacy", "Differential privacy for clients: the noise multiplier[,delta=1e-5]; needs --clip as a number"},
       [](auto& o, const auto& v) { o.rules.privacy = v; }},
      {{"codec", "How HTTP clients code what they send: bf16, fp16, int8, int4, topk[,share=0.1], sign"},
       [](auto& o, const auto& v) { o.codec = Codec(v).text(); }},
      {{"select", "Which clients train in a round, NAME[,key=value...]: random, weighted, oort (all)"},
       [](auto& o, const auto& v) {
         make_selector(v);  // says at once what is wrong with it
         o.rounds.selection.policy = v;
       }},
      {{"over-select", "So many times the participants are chosen, so that stragglers hold nothing up (1)"},
       [](auto& o, const auto& v) { o.rounds.selection.over = number(v, 1, kMany); }},
      {{"select-pool", "Clients that must be there before a round chooses (as many as it chooses)"},
       [](auto& o, const auto& v) { o.rounds.selection.pool = count(v, 0, kMany); }},
      {{"select-wait", "Seconds for which they are waited for, and a chosen client that has broken off (60)"},
       [](auto& o, const auto& v) { o.rounds.selection.wait = seconds(v); }},
      {{"seed", "Of everything that is drawn (0)"},
       [](auto& o, const auto& v) { o.rules.seed = o.rounds.selection.seed = count(v, 0, 9e15); }},
      {{"sites",
        "Names of the aggregators, with commas between them, that may bring sums of their clients (any; with --clip "
        "none)"},
       [](auto& o, const auto& v) { o.sites = names(v); }},
      {{"initial-model", "A safetensors file that round 1 begins with"},
       [](auto& o, const auto& v) { o.initial_model = v; }},
      {{"state", "Folder in which the rounds survive a restart; without it they are in memory"},
       [](auto& o, const auto& v) { o.state_folder = v; }},
      {{"durability",
        "round: after a crash clients send the open round's updates again; update: they need not (round)"},
       [](auto& o, const auto& v) {
         if (v != "round" && v != "update") refuse("is '" + v + "'; it must be round or update");
         o.durability = v == "update" ? Durability::kUpdate : Durability::kRound;
       }},
      {{"keep-models", "So many published models stay in the state folder (3)"},
       [](auto& o, const auto& v) { o.keep_models = count(v, 1, kMany); }},
      {{"round-deadline", "Seconds from a round's first update until it closes with what there is (3600)"},
       [](auto& o, const auto& v) { o.rounds.round_deadline = seconds(v); }},
      {{"min-updates", "Fewer at the deadline: the round begins again, 3 times (1)"},
       [](auto& o, const auto& v) { o.rounds.min_updates = count(v, 1, kMany); }},
      {{"soft-deadline", "Seconds from a round's first update after which a quorum closes it; 0: never (0)"},
       [](auto& o, const auto& v) { o.rounds.soft_deadline = seconds(v); }},
      {{"quorum", "Updates that are enough past the soft deadline (1)"},
       [](auto& o, const auto& v) { o.rounds.quorum = count(v, 1, kMany); }},
      {{"max-strikes", "Refused updates after which a client is not heard any more; 0: any number (10)"},
       [](auto& o, const auto& v) { o.rounds.max_strikes = static_cast<int>(count(v, 0, kMany)); }},
      {{"idle-limit", "Seconds without any event after which the job fails (86400)"},
       [](auto& o, const auto& v) { o.rounds.idle_limit = seconds(v); }},
      {{"stop-metric",
        "A metric that clients report, by which the job may end early: accuracy; -loss (smaller is better)"},
       [](auto& o, const auto& v) {
         o.rounds.stop.smaller_is_better = v.starts_with('-');
         o.rounds.stop.metric = v.starts_with('-') ? v.substr(1) : v;
       }},
      {{"stop-target", "The value that ends the job"},
       [](auto& o, const auto& v) { o.rounds.stop.target = number(v, -1e300, 1e300); }},
      {{"stop-patience", "Rounds without a better value that end the job; 0: any number (0)"},
       [](auto& o, const auto& v) { o.rounds.stop.patience = static_cast<int>(count(v, 0, kMany)); }},
      {{"stop-seconds", "Rounds that close later than this after the start are the last; 0: never (0)"},
       [](auto& o, const auto& v) { o.rounds.stop.budget = seconds(v); }},
      {{"staging-mb", "Memory for uploads under way; more goes to files (256)"},
       [](auto& o, const auto& v) { o.staging_bytes = std::uint64_t{count(v, 0, 1e9)} << 20; }},
      {{"lease", "Seconds of silence after which an HTTP client counts as gone (60)"},
       [](auto& o, const auto& v) { o.lease = seconds(v); }},
  };
  return kAll;
}

bool names_a_rule(const std::string& name) {
  const auto has = [&](const std::vector<std::string>& names) { return std::ranges::find(names, name) != names.end(); };
  return has(algorithm_names()) || has(robust_names());
}

}  // namespace

const std::vector<SettingHelp>& server_settings() {
  static const std::vector<SettingHelp> kHelp = [] {
    std::vector<SettingHelp> out;
    for (const Setting& setting : all()) out.push_back(setting.help);
    return out;
  }();
  return kHelp;
}

void apply_settings(AggregationServerOptions& options, const std::map<std::string, std::string>& settings) {
  if (names_a_rule(options.aggregation)) options.rules.algorithm = options.aggregation;
  for (const auto& [name, value] : settings) {
    const auto it = std::ranges::find_if(all(), [&](const Setting& s) { return s.help.name == name; });
    if (it == all().end()) {
      std::string known;
      for (const Setting& s : all()) known += (known.empty() ? "" : ", ") + s.help.name;
      throw Error(ErrorCode::kInvalidArgument, "is no setting; there are " + known, name);
    }
    try {
      it->apply(options, value);
    } catch (const Error& error) {
      throw error.within(name);
    }
  }
}

std::map<std::string, std::string> settings_from_environment(const worker::Context& context) {
  std::map<std::string, std::string> out;
  for (const SettingHelp& setting : server_settings()) {
    std::string variable = "SEDNA_FL_";
    for (const char c : setting.name) variable += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    if (const auto value = context.get(variable); value && !value->empty()) out[setting.name] = *value;
  }
  return out;
}

}  // namespace sedna::federated
