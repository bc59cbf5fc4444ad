// Joint inference for Python: the edge model is a Python callable, everything around it is the core's.
#include <condition_variable>
#include <deque>
#include <mutex>

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>

#include "sedna/base/fork.hpp"
#include "sedna/inference/joint_inference.hpp"
#include "sedna/inference/offload_stream.hpp"

#include "bind.hpp"
#include "convert.hpp"
#include "filters.hpp"

namespace sedna::python {
namespace {

using algo::Reason;
using inference::CloudAnswer;
using inference::CloudCall;
using inference::Decision;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::kRefused) + 1;

/// Names that are set on results, made once.
struct Names {
  nb::object reasons[kReasons];
  nb::object offload = nb::steal(PyUnicode_InternFromString("offload"));
  nb::object reason = nb::steal(PyUnicode_InternFromString("reason"));
  nb::object score = nb::steal(PyUnicode_InternFromString("score"));
  nb::object edge_latency = nb::steal(PyUnicode_InternFromString("edge_latency"));
  nb::object cloud_latency = nb::steal(PyUnicode_InternFromString("cloud_latency"));
  nb::object upload_bytes = nb::steal(PyUnicode_InternFromString("upload_bytes"));
  nb::object message = nb::steal(PyUnicode_InternFromString("message"));
  nb::object left_alone = nb::str("the cloud failed repeatedly and is left alone for a while");
  nb::object over_budget = nb::str("the budget for offloads is used up");
  Names() {
    for (std::size_t i = 0; i < kReasons; ++i) {
      const auto name = algo::reason_name(static_cast<Reason>(i));
      reasons[i] = nb::str(name.data(), name.size());
    }
  }
  static const Names& get() {
    static const auto* names = new Names;  // outlives static destruction on purpose
    return *names;
  }
};

void set(const nb::object& object, const nb::object& name, nb::object value) {
  if (PyObject_SetAttr(object.ptr(), name.ptr(), value.ptr()) != 0) throw nb::python_error();
}

class JointStream;

/// Held by Python's JointInference. Calls need the GIL and give it up while they wait for the cloud.
class JointCore {
 public:
  JointCore(const std::map<std::string, std::string>& environment, nb::object predict, nb::object core_filter,
            nb::object python_filter, nb::object result_type, const std::map<std::string, double>& options,
            bool with_cloud)
      : predict_(std::move(predict)), filter_(std::move(python_filter)), result_type_(std::move(result_type)) {
    const worker::Context context({environment.begin(), environment.end()});
    inference::JointOptions joint;
    std::shared_ptr<inference::CloudClient> cloud;
    if (with_cloud) {
      auto client = inference::CloudClientOptions::from_context(context);
      if (const auto it = options.find("deadline"); it != options.end()) {
        if (!(it->second > 0)) throw Error(ErrorCode::kInvalidArgument, "must be above zero", "deadline");
        client.deadline = std::chrono::duration_cast<SteadyClock::duration>(Seconds(it->second));
      }
      joint.deadline = client.deadline;
      cloud = std::make_shared<inference::CloudClient>(std::move(client), registry_);
    }
    const auto option = [&](const char* name, double& field) {
      if (const auto it = options.find(name); it != options.end()) field = it->second;
    };
    option("target_ratio", joint.target_ratio);
    option("requests_per_second", joint.requests_per_second);
    option("requests_burst", joint.requests_burst);
    option("bytes_per_second", joint.bytes_per_second);
    byte_budget_ = joint.bytes_per_second > 0;
    auto report = inference::LcReporterOptions::from_context(context);
    std::shared_ptr<inference::LcReporter> reporter;
    if (!report.lc_server.empty()) reporter = std::make_shared<inference::LcReporter>(std::move(report));
    if (!core_filter.is_none()) rule_ = nb::cast<const Filter&>(core_filter).rule;
    if (filter_.is_none()) filter_ = nb::object();
    core_ = std::make_unique<inference::JointInference>(std::move(joint), nullptr, rule_, std::move(cloud), registry_,
                                                        std::move(reporter));
  }

  ~JointCore() { close(); }

  /// Waits for what is in flight (its deadlines bound it), then lets go of the core's threads.
  void close() {
    const nb::gil_scoped_release unlocked;  // callbacks in flight need the GIL to end
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return in_flight_ == 0 || generation_ != fork_generation(); });
    lock.unlock();
    if (!closed_) core_.reset();
    closed_ = true;
  }

  /// One sample, the usual way: model, filter and, for hard ones, the cloud.
  nb::object infer(nb::handle data) {
    Outcome outcome = run_edge(data);
    nb::object result = edge_result(outcome);
    if (!outcome.decision.offload) return result;
    settle(result, ask(data, nb::none()));
    return result;
  }

  void infer_async(nb::handle data, nb::object done) {
    Outcome outcome = run_edge(data);
    nb::object result = edge_result(outcome);
    if (!outcome.decision.offload) {
      done(result);
      return;
    }
    Sending sending = make_sending(data, nb::none());
    begin_call();
    auto kept =
        keep(nb::make_tuple(result, done, nb::find(*this)));  // the last: the callback may let go of this object
    const nb::gil_scoped_release unlocked;
    core().offload_async(std::move(sending.call), sending.deadline,
                         [this, kept, refusal = std::move(sending.refusal)](CloudAnswer answer) mutable {
                           if (!refusal.empty()) answer.message = std::move(refusal);
                           const nb::gil_scoped_acquire gil;
                           try {
                             const nb::object target = (*kept)[0];
                             settle(target, answer);
                             (*kept)[1](target);
                           } catch (nb::python_error& error) {  // nobody to throw to: as Python does with such
                             error.restore();
                             PyErr_WriteUnraisable(kept->ptr());
                           }
                           end_call();
                           kept.reset();  // may be the end of this object, whose close() must not wait for this call
                         });
  }

  /// The edge model with extra arguments, and the seconds it took.
  nb::object predict(nb::handle data, const nb::dict& extra) {
    const auto started = SteadyClock::now();
    nb::object edge = nb::len(extra) == 0 ? predict_(data) : predict_(data, **extra);
    const auto latency = SteadyClock::now() - started;
    core().observe_edge(latency);
    return nb::make_tuple(edge, Seconds(latency).count());
  }

  /// The filter and the policies on what it is to judge; reason "offload": offload() must follow.
  nb::object decide(nb::handle judged, nb::handle data) { return decision_result(judge(judged, data)); }
  nb::object decide_hard(nb::handle data) {
    return decision_result(core().decide({true, Reason::kHard, 1}, byte_budget_ ? payload_size(data) : 0));
  }
  void decide_easy() { core().decide({}, 0); }

  /// [True, None, None, answer] with reason "hard", or without an answer and why.
  nb::object offload(nb::handle data, nb::handle members) {
    nb::object result = new_result(true, nb::none(), nb::none());
    settle(result, ask(data, members));
    return result;
  }

  nb::dict counts() {
    const auto c = core().counts();
    nb::dict all;
    all["inferences"] = c.inferences;
    all["hard"] = c.hard;
    all["uploaded"] = c.uploaded;
    all["edge"] = c.edge;
    all["cloud"] = c.cloud;
    all["late"] = c.late;
    return all;
  }

  double wanted_ratio() { return core().wanted_ratio(); }
  bool budget_holds_back() { return core().budget_holds_back(); }

 private:
  friend class JointStream;
  struct Outcome {
    nb::object edge;
    Decision decision;
    SteadyClock::duration latency{};
  };

  /// Calls that close() waits for; those of the parent do not count in a forked child.
  void begin_call() {
    const std::lock_guard lock(mutex_);
    if (generation_ != fork_generation()) in_flight_ = 0;
    generation_ = fork_generation();
    ++in_flight_;
  }
  void end_call() {
    const std::lock_guard lock(mutex_);  // until notified: close() may free this object as soon as it can take it
    --in_flight_;
    idle_.notify_all();
  }

  inference::JointInference& core() {
    if (closed_) throw Error(ErrorCode::kAborted, "is closed", "JointInference");
    return *core_;
  }

  Outcome run_edge(nb::handle data) {
    Outcome outcome;
    const auto started = SteadyClock::now();
    PyObject* argument = data.ptr();
    outcome.edge = nb::steal(PyObject_CallFunctionObjArgs(predict_.ptr(), argument, nullptr));
    if (!outcome.edge.is_valid()) throw nb::python_error();
    outcome.latency = SteadyClock::now() - started;
    core().observe_edge(outcome.latency);
    outcome.decision = judge(outcome.edge, data);
    return outcome;
  }

  Decision judge(nb::handle judged, nb::handle data) {
    const std::uint64_t bytes = byte_budget_ ? payload_size(data) : 0;
    if (filter_.is_valid()) {
      const nb::object verdict = nb::steal(PyObject_CallFunctionObjArgs(filter_.ptr(), judged.ptr(), nullptr));
      if (!verdict.is_valid()) throw nb::python_error();
      const int hard = PyObject_IsTrue(verdict.ptr());
      if (hard < 0) throw nb::python_error();
      return core().decide({hard == 1, hard == 1 ? Reason::kHard : Reason::kEasy, hard == 1 ? 1.0 : 0.0}, bytes);
    }
    if (!rule_) return core().decide({}, bytes);
    values_.clear();
    algo::EdgeResult result{rule_->form(), {}, false};
    result.valid = read_values(judged, result.form, values_);
    result.values = values_;
    return core().judge(result, bytes);
  }

  struct Sending {
    CloudCall call;
    Deadline deadline;
    std::string refusal;
  };

  /// A sample that cannot be sent keeps the edge's answer, as any failure of the cloud does, and the counters add up:
  /// it is asked for with a deadline that is over, so that nothing is sent.
  Sending make_sending(nb::handle data, nb::handle members) {
    Sending sending;
    try {
      sending.call = make_call(data, members);
    } catch (nb::python_error& error) {
      if (!error.matches(PyExc_TypeError) && !error.matches(PyExc_ValueError)) throw;
      sending.refusal = std::string("the sample cannot be sent: ") + error.what();
      sending.deadline = Deadline(SteadyClock::now());
    }
    return sending;
  }

  CloudAnswer ask(nb::handle data, nb::handle members) {
    Sending sending = make_sending(data, members);
    inference::JointInference& joint = core();
    const struct Counted {
      explicit Counted(JointCore& owner) : owner_(owner) { owner_.begin_call(); }
      ~Counted() { owner_.end_call(); }
      Counted(const Counted&) = delete;
      Counted& operator=(const Counted&) = delete;
      JointCore& owner_;
    } counted(*this);
    const nb::gil_scoped_release unlocked;
    CloudAnswer answer = joint.offload(sending.call, sending.deadline);
    if (!sending.refusal.empty()) answer.message = std::move(sending.refusal);
    return answer;
  }

  nb::object new_result(bool hard, nb::handle final, nb::handle edge) {
    nb::object result = nb::steal(PyObject_CallFunctionObjArgs(result_type_.ptr(), nullptr));
    if (!result.is_valid()) throw nb::python_error();
    PyObject* list = result.ptr();
    if (PyList_Append(list, hard ? Py_True : Py_False) != 0 || PyList_Append(list, final.ptr()) != 0 ||
        PyList_Append(list, edge.ptr()) != 0 || PyList_Append(list, Py_None) != 0) {
      throw nb::python_error();
    }
    return result;
  }

  nb::object edge_result(const Outcome& outcome) {
    nb::object result = new_result(outcome.decision.is_hard, outcome.edge, outcome.edge);
    const Names& names = Names::get();
    if (outcome.decision.reason != Reason::kEasy) {
      set(result, names.reason, names.reasons[static_cast<std::size_t>(outcome.decision.reason)]);
      set_why(result, outcome.decision);
    }
    if (outcome.decision.score != 0) set(result, names.score, nb::float_(outcome.decision.score));
    set(result, names.edge_latency, nb::float_(Seconds(outcome.latency).count()));
    return result;
  }

  nb::object decision_result(const Decision& decision) {
    nb::object result = new_result(decision.is_hard, nb::none(), nb::none());
    const Names& names = Names::get();
    set(result, names.reason,
        decision.offload ? names.offload : names.reasons[static_cast<std::size_t>(decision.reason)]);
    if (!decision.offload) set_why(result, decision);
    set(result, names.score, nb::float_(decision.score));
    return result;
  }

  /// For a person: why a hard sample was held back before the cloud was asked.
  static void set_why(const nb::object& result, const Decision& decision) {
    const Names& names = Names::get();
    if (decision.reason == Reason::kBreaker) set(result, names.message, names.left_alone);
    if (decision.reason == Reason::kBudget) set(result, names.message, names.over_budget);
  }

  /// Puts the cloud's answer into a result whose final element is the edge's so far.
  static void settle(const nb::object& result, const CloudAnswer& answer) {
    put_facts(result, inference::reason_of(answer.status), answer.latency, answer.bytes_up, answer.message);
    if (!answer.ok()) return;
    put_answer(result, cloud_answer(answer.outputs, answer.json));
  }

  static void put_facts(const nb::object& result, Reason reason, SteadyClock::duration latency, std::uint64_t bytes,
                        const std::string& message) {
    const Names& names = Names::get();
    set(result, names.reason, names.reasons[static_cast<std::size_t>(reason)]);
    set(result, names.cloud_latency, nb::float_(Seconds(latency).count()));
    set(result, names.upload_bytes, nb::int_(bytes));
    if (!message.empty()) set(result, names.message, nb::str(message.data(), message.size()));
  }

  static void put_answer(const nb::object& result, const nb::object& answer) {
    Py_INCREF(answer.ptr());
    if (PyList_SetItem(result.ptr(), 1, answer.ptr()) != 0) throw nb::python_error();
    Py_INCREF(answer.ptr());
    if (PyList_SetItem(result.ptr(), 3, answer.ptr()) != 0) throw nb::python_error();
  }

  metrics::Registry registry_;
  nb::object predict_;
  nb::object filter_;  ///< a filter written in Python; empty: rule_
  nb::object result_type_;
  std::shared_ptr<const algo::HardExampleFilter> rule_;
  std::unique_ptr<inference::JointInference> core_;
  std::vector<double> values_;  ///< guarded by the GIL
  bool byte_budget_ = false;
  bool closed_ = false;
  std::mutex mutex_;
  std::condition_variable idle_;
  int in_flight_ = 0;
  std::uint64_t generation_ = 0;  ///< of the process that in_flight_ counts for
};

/// Samples in, results out in order; see OffloadStream.
class JointStream {
 public:
  JointStream(nb::object owner, std::size_t window) : owner_(std::move(owner)), core_(nb::cast<JointCore&>(owner_)) {
    inference::OffloadStreamOptions options;
    options.window = window;
    stream_ = std::make_unique<inference::OffloadStream>(core_.core(), options);
  }
  ~JointStream() {
    const nb::gil_scoped_release unlocked;
    stream_.reset();
  }

  void submit(nb::handle data) {
    auto outcome = core_.run_edge(data);
    nb::object result = core_.edge_result(outcome);
    JointCore::Sending sending;
    if (outcome.decision.offload) {
      sending = core_.make_sending(data, nb::none());
      if (!sending.refusal.empty()) {
        // It is settled here, outside the stream's flow of answers, and keeps its place in the order.
        core_.core().offload({}, sending.deadline);
        JointCore::put_facts(result, Reason::kRefused, {}, 0, sending.refusal);
        outcome.decision.offload = false;
      }
    }
    waiting_.push_back({std::move(result), !sending.refusal.empty()});
    const nb::gil_scoped_release unlocked;
    stream_->submit_decided(outcome.decision, std::move(sending.call));
  }
  bool full() const { return stream_->full(); }
  std::size_t pending() const { return waiting_.size(); }
  void close() { stream_->close(); }

  nb::object next() {
    std::optional<inference::JointResult> result;
    core_.core();  // not when it is closed
    {
      const nb::gil_scoped_release unlocked;
      result = stream_->next();
    }
    return take(result);
  }
  nb::object try_next() {
    core_.core();
    auto result = stream_->try_next();
    return take(result);
  }

 private:
  nb::object take(std::optional<inference::JointResult>& result) {
    if (!result) return nb::none();
    auto [made, settled] = std::move(waiting_.front());
    waiting_.pop_front();
    if (settled) return made;
    if (result->source == inference::Source::kCloud) {
      JointCore::put_facts(made, Reason::kHard, result->cloud_latency, result->bytes_up, result->message);
      JointCore::put_answer(made, cloud_answer(result->cloud, result->cloud_json));
    } else if (result->reason != Reason::kEasy) {
      JointCore::put_facts(made, result->reason, result->cloud_latency, result->bytes_up, result->message);
    }
    return made;
  }

  nb::object owner_;
  JointCore& core_;
  std::unique_ptr<inference::OffloadStream> stream_;
  struct Waiting {
    nb::object result;
    bool settled;  ///< nothing of the stream's outcome is wanted
  };
  std::deque<Waiting> waiting_;  ///< the samples under way, in order
};

}  // namespace

void bind_joint(nb::module_& m) {
  nb::class_<JointCore>(m, "JointCore", "The edge side of joint inference around a Python model.")
      .def(nb::init<const std::map<std::string, std::string>&, nb::object, nb::object, nb::object, nb::object,
                    const std::map<std::string, double>&, bool>(),
           nb::arg("environment"), nb::arg("predict"), nb::arg("core_filter").none(), nb::arg("python_filter").none(),
           nb::arg("result_type"), nb::arg("options"), nb::arg("with_cloud"))
      .def("infer", &JointCore::infer, nb::arg().none())
      .def("infer_async", &JointCore::infer_async, nb::arg().none(), nb::arg())
      .def("predict", &JointCore::predict, nb::arg().none(), nb::arg())
      .def("decide", &JointCore::decide, nb::arg().none(), nb::arg().none())
      .def("decide_hard", &JointCore::decide_hard, nb::arg().none())
      .def("decide_easy", &JointCore::decide_easy)
      .def("offload", &JointCore::offload, nb::arg().none(), nb::arg().none())
      .def(
          "stream", [](nb::object self, std::size_t window) { return new JointStream(std::move(self), window); },
          nb::arg("window"), nb::rv_policy::take_ownership)
      .def("counts", &JointCore::counts)
      .def_prop_ro("wanted_ratio", &JointCore::wanted_ratio)
      .def_prop_ro("budget_holds_back", &JointCore::budget_holds_back)
      .def("close", &JointCore::close);
  nb::class_<JointStream>(m, "JointStream", "Samples in, results out in the same order.")
      .def("submit", &JointStream::submit, nb::arg().none())
      .def("full", &JointStream::full)
      .def("pending", &JointStream::pending)
      .def("next", &JointStream::next)
      .def("try_next", &JointStream::try_next)
      .def("close", &JointStream::close);
}

}  // namespace sedna::python
