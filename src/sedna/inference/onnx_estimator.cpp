#include "sedna/inference/onnx_estimator.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>

#include "sedna/base/cpu.hpp"
#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/inference/onnx_values.hpp"
#include "sedna/inference/ort_library.hpp"

namespace sedna::inference {

using tensor::DType;
using tensor::Tensor;

namespace {

/// A call shorter than this is not worth a hand-over to another thread. With one processor there is nothing to hand
/// over to: the other thread would only take this one's cache, and the queue lets bodies grow cold, so that longer
/// calls run where their body arrived. They stay short beside what a health check or a new connection may wait.
constexpr auto kInlineLimit = std::chrono::microseconds(50);
constexpr auto kInlineLimitOneCore = std::chrono::milliseconds(2);
constexpr std::size_t kMaxPorts = 64;  ///< inputs or outputs of one model

}  // namespace

bool shape_fits(std::span<const std::int64_t> declared, std::span<const std::int64_t> actual) {
  if (declared.size() != actual.size()) return false;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (declared[i] >= 0 && declared[i] != actual[i]) return false;
  }
  return true;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

struct OnnxEstimator::Impl {
  const OrtLibrary& lib = OrtLibrary::get();
  std::string label;
  OnnxOptions options;
  OrtHandle<ort::Session> session;
  ModelMetadata metadata;
  std::vector<const char*> input_names;
  std::vector<const char*> output_names;
  std::string checksum;
  SteadyClock::duration warm{};
  int concurrency = 1;
  bool inline_ = false;

  OrtHandle<ort::SessionOptions> session_options() const {
    OrtHandle<ort::SessionOptions> o;
    lib.check(lib(ort::kCreateSessionOptions)(o.out()), "making session options", label);
    lib.check(lib(ort::kSetIntraOpNumThreads)(o.get(), options.intra_threads), "setting intra-op threads", label);
    lib.check(lib(ort::kSetInterOpNumThreads)(o.get(), 1), "setting inter-op threads", label);
    lib.check(lib(ort::kSetSessionGraphOptimizationLevel)(o.get(), ort::kOptimizeEverything), "setting optimisation",
              label);
    lib.check(lib(ort::kSetSessionLogSeverityLevel)(o.get(), ort::kLogErrors), "setting the log level", label);
    if (!options.memory_arena) lib.check(lib(ort::kDisableCpuMemArena)(o.get()), "turning the arena off", label);
    if (!options.spinning) {
      lib.check(lib(ort::kAddSessionConfigEntry)(o.get(), "session.intra_op.allow_spinning", "0"),
                "turning spinning off", label);
    }
    return o;
  }

  /// What opening said, in words that help: the library's own begin with "Load model from … failed".
  Error load_error(ort::Status* status, std::uint64_t bytes) const {
    const Error inner = lib.to_error(status, "opening the model", label);
    const std::string size = std::to_string(bytes) + " bytes";
    if (inner.message().find("rotobuf parsing failed") != std::string::npos) {
      return Error(ErrorCode::kInvalidArgument, "is not an ONNX model, or is cut short (" + size + ")", label);
    }
    return Error(ErrorCode::kInvalidArgument,
                 "ONNX Runtime " + lib.version() + " cannot run this model (" + size + "): " + inner.message(), label);
  }

  void read_ports() {
    metadata.name = options.name;
    metadata.version = options.version;
    metadata.platform = "onnxruntime_onnx";
    metadata.max_batch_size = options.max_batch_size;
    std::size_t inputs = 0;
    std::size_t outputs = 0;
    lib.check(lib(ort::kSessionGetInputCount)(session.get(), &inputs), "counting inputs", label);
    lib.check(lib(ort::kSessionGetOutputCount)(session.get(), &outputs), "counting outputs", label);
    for (std::size_t i = 0; i < inputs; ++i) {
      auto spec = read_port(i, true);
      if (!spec) {
        throw Error(ErrorCode::kInvalidArgument,
                    "input " + std::to_string(i) + " is not a tensor of a type that can be sent", label);
      }
      metadata.inputs.push_back(std::move(*spec));
    }
    std::string left_out;
    for (std::size_t i = 0; i < outputs; ++i) {
      if (auto spec = read_port(i, false))
        metadata.outputs.push_back(std::move(*spec));
      else
        left_out += (left_out.empty() ? "" : ", ") + std::to_string(i);
    }
    if (!left_out.empty()) {
      log::warning("outputs that are no tensors are left out (scikit-learn: export with zipmap=False)",
                   {{"model", label}, {"outputs", left_out}});
    }
    if (metadata.inputs.empty() || metadata.outputs.empty() || metadata.inputs.size() > kMaxPorts ||
        metadata.outputs.size() > kMaxPorts) {
      throw Error(ErrorCode::kInvalidArgument,
                  "has " + std::to_string(metadata.inputs.size()) + " tensor inputs and " +
                      std::to_string(metadata.outputs.size()) + " tensor outputs; 1 to 64 of each are supported",
                  label);
    }
    for (const auto& spec : metadata.inputs) input_names.push_back(spec.name.c_str());
    for (const auto& spec : metadata.outputs) output_names.push_back(spec.name.c_str());
    check_batching();
  }

  void check_batching() const {
    if (options.max_batch_size <= 0) return;
    const auto batched = [](const TensorSpec& s) { return !s.shape.empty() && s.shape[0] == -1; };
    if (!std::ranges::all_of(metadata.inputs, batched) || !std::ranges::all_of(metadata.outputs, batched)) {
      throw Error(ErrorCode::kInvalidArgument,
                  "cannot be batched: the first dimension of every input and output must be "
                  "variable (drop --max-batch for this model)",
                  label);
    }
  }

  std::optional<TensorSpec> read_port(std::size_t index, bool input) const {
    char* name = nullptr;
    lib.check((input ? lib(ort::kSessionGetInputName) : lib(ort::kSessionGetOutputName))(session.get(), index,
                                                                                         lib.allocator(), &name),
              "reading a name", label);
    const std::string text = name;
    lib.check(lib(ort::kAllocatorFree)(lib.allocator(), name), "freeing a name", label);
    OrtHandle<ort::TypeInfo> type;
    lib.check((input ? lib(ort::kSessionGetInputTypeInfo) : lib(ort::kSessionGetOutputTypeInfo))(session.get(), index,
                                                                                                 type.out()),
              "reading a type", label);
    const ort::TensorInfo* info = nullptr;  // borrowed from `type`
    lib.check(lib(ort::kCastTypeInfoToTensorInfo)(type.get(), &info), "reading a type", label);
    auto spec = read_spec(lib, info, label);
    if (spec) spec->name = text;
    return spec;
  }

  /// The given tensor for each declared input.
  std::array<const Tensor*, kMaxPorts> arrange(std::span<const Tensor> inputs) const {
    if (inputs.size() != metadata.inputs.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "model '" + metadata.name + "' has " + std::to_string(metadata.inputs.size()) + " inputs, got " +
                      std::to_string(inputs.size()),
                  "inputs");
    }
    std::array<const Tensor*, kMaxPorts> found{};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::size_t slot = i;
      if (!inputs[i].name.empty()) {
        slot = 0;
        while (slot < inputs.size() && metadata.inputs[slot].name != inputs[i].name) ++slot;
      }
      if (slot == inputs.size() || found[slot] != nullptr) {
        throw Error(ErrorCode::kInvalidArgument,
                    slot == inputs.size() ? "the model has no such input" : "is given twice",
                    "inputs." + inputs[i].name);
      }
      const TensorSpec& want = metadata.inputs[slot];
      if (inputs[i].dtype != want.dtype || !shape_fits(want.shape, inputs[i].shape)) {
        throw Error(ErrorCode::kInvalidArgument,
                    "expected " + std::string(tensor::dtype_name(want.dtype)) + " " + shape_text(want.shape) +
                        ", got " + std::string(tensor::dtype_name(inputs[i].dtype)) + " " + shape_text(inputs[i].shape),
                    "inputs." + want.name);
      }
      found[slot] = &inputs[i];
    }
    return found;
  }

  std::vector<Tensor> run(std::span<const Tensor> inputs) const {
    const auto ordered = arrange(inputs);
    std::vector<OrtHandle<ort::Value>> values(inputs.size());
    std::array<const ort::Value*, kMaxPorts> in{};
    std::array<ort::Value*, kMaxPorts> out{};
    std::vector<Bytes> keep;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      values[i] = make_value(lib, *ordered[i], keep);
      in[i] = values[i].get();
    }
    ort::Status* status = lib(ort::kRun)(session.get(), nullptr, input_names.data(), in.data(), input_names.size(),
                                         output_names.data(), output_names.size(), out.data());
    std::vector<OrtHandle<ort::Value>> answers(output_names.size());
    for (std::size_t i = 0; i < answers.size(); ++i) answers[i] = OrtHandle<ort::Value>(out[i]);
    lib.check(status, "running the model", metadata.name);
    std::vector<Tensor> outputs;
    outputs.reserve(output_names.size());
    for (std::size_t i = 0; i < output_names.size(); ++i) {
      outputs.push_back(read_value(lib, std::move(answers[i]), metadata.outputs[i].name));
    }
    return outputs;
  }

  std::vector<Tensor> zeros() const {
    std::vector<Tensor> inputs;
    for (const TensorSpec& spec : metadata.inputs) {
      Tensor t;
      t.name = spec.name;
      t.dtype = spec.dtype;
      t.shape = spec.shape;
      for (auto& d : t.shape) d = d < 0 ? 1 : d;
      const std::size_t unit = spec.dtype == DType::kBytes ? 4 : tensor::dtype_size(spec.dtype);
      AlignedBuffer buffer(tensor::element_count(t.shape, unit).value());
      std::memset(buffer.data(), 0, buffer.size());
      t.data = std::move(buffer).freeze();
      inputs.push_back(std::move(t));
    }
    return inputs;
  }

  void warm_up() {
    const auto variable = [](const TensorSpec& s) {
      return std::ranges::count(s.shape, -1) > (s.shape.empty() ? 0 : s.shape[0] == -1 ? 1 : 0);
    };
    const bool guessed = std::ranges::any_of(metadata.inputs, variable);
    const std::vector<Tensor> inputs = zeros();
    std::vector<SteadyClock::duration> took;
    for (int i = 0; i < options.warmup_runs; ++i) {
      const auto start = SteadyClock::now();
      try {
        run(inputs);
      } catch (const Error& error) {
        if (!guessed) throw Error(ErrorCode::kInvalidArgument, "warm-up failed: " + std::string(error.what()), label);
        // Dimensions set to 1 may be impossible for this graph: real requests will show.
        log::warning("warm-up with variable dimensions set to 1 failed", {{"model", label}, {"error", error.what()}});
        return;
      }
      took.push_back(SteadyClock::now() - start);
    }
    if (took.empty()) return;
    std::ranges::nth_element(took, took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2));
    warm = took[took.size() / 2];
    inline_ = !guessed && warm < (usable_cores() == 1 ? kInlineLimitOneCore : kInlineLimit);
  }

  void finish() {
    if (!options.expected_sha256.empty() && options.expected_sha256 != checksum) {
      throw Error(ErrorCode::kDataLoss, "has sha256 " + checksum + ", expected " + options.expected_sha256, label);
    }
    read_ports();
    concurrency = options.concurrency > 0 ? options.concurrency : usable_cores();
    warm_up();
  }
};

OnnxEstimator::OnnxEstimator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OnnxEstimator::~OnnxEstimator() = default;

std::shared_ptr<OnnxEstimator> OnnxEstimator::load(const std::string& file, OnnxOptions options) {
  namespace fs = std::filesystem;
  std::error_code ec;
  const auto bytes = fs::file_size(file, ec);
  if (ec) throw Error(ErrorCode::kNotFound, "no such model file (" + ec.message() + ")", file);
  if (bytes == 0) throw Error(ErrorCode::kInvalidArgument, "is empty, not an ONNX model", file);
  auto impl = std::make_unique<Impl>();
  impl->label = file;
  impl->options = std::move(options);
  if (impl->options.name.empty()) impl->options.name = fs::path(file).stem().string();
  impl->checksum = sha256_file(file);
  const auto session_options = impl->session_options();
  // By path, not from memory: large models keep their weights in files beside it.
  ort::Status* status =
      impl->lib(ort::kCreateSession)(impl->lib.env(), file.c_str(), session_options.get(), impl->session.out());
  if (status != nullptr) throw impl->load_error(status, bytes);
  impl->finish();
  return std::shared_ptr<OnnxEstimator>(new OnnxEstimator(std::move(impl)));
}

std::shared_ptr<OnnxEstimator> OnnxEstimator::load(std::span<const std::byte> model, std::string label,
                                                   OnnxOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->label = std::move(label);
  impl->options = std::move(options);
  if (impl->options.name.empty()) impl->options.name = impl->label;
  if (model.empty()) throw Error(ErrorCode::kInvalidArgument, "is empty, not an ONNX model", impl->label);
  impl->checksum = sha256_hex(std::string_view(reinterpret_cast<const char*>(model.data()), model.size()));
  const auto session_options = impl->session_options();
  ort::Status* status = impl->lib(ort::kCreateSessionFromArray)(impl->lib.env(), model.data(), model.size(),
                                                                session_options.get(), impl->session.out());
  if (status != nullptr) throw impl->load_error(status, model.size());
  impl->finish();
  return std::shared_ptr<OnnxEstimator>(new OnnxEstimator(std::move(impl)));
}

const ModelMetadata& OnnxEstimator::metadata() const {
  return impl_->metadata;
}
int OnnxEstimator::concurrency() const {
  return impl_->concurrency;
}
bool OnnxEstimator::run_inline() const {
  return impl_->inline_;
}
const std::string& OnnxEstimator::checksum() const {
  return impl_->checksum;
}
SteadyClock::duration OnnxEstimator::warm_latency() const {
  return impl_->warm;
}

std::vector<Tensor> OnnxEstimator::infer(std::span<const Tensor> inputs, Deadline deadline) {
  if (deadline.expired())
    throw Error(ErrorCode::kDeadlineExceeded, "the deadline passed before the model ran", impl_->metadata.name);
  return impl_->run(inputs);
}

}  // namespace sedna::inference
