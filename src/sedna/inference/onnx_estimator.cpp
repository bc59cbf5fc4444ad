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

#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/inference/ort_library.hpp"

namespace sedna::inference {

using tensor::DType;
using tensor::Tensor;

namespace {

constexpr auto kInlineLimit = std::chrono::microseconds(50);
constexpr std::size_t kMaxPorts = 64;  ///< inputs or outputs of one model

int element_type(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return ort::kBool;
    case DType::kUint8:
      return ort::kUint8;
    case DType::kUint16:
      return ort::kUint16;
    case DType::kUint32:
      return ort::kUint32;
    case DType::kUint64:
      return ort::kUint64;
    case DType::kInt8:
      return ort::kInt8;
    case DType::kInt16:
      return ort::kInt16;
    case DType::kInt32:
      return ort::kInt32;
    case DType::kInt64:
      return ort::kInt64;
    case DType::kFp16:
      return ort::kFloat16;
    case DType::kBf16:
      return ort::kBfloat16;
    case DType::kFp32:
      return ort::kFloat;
    case DType::kFp64:
      return ort::kDouble;
    case DType::kBytes:
      return ort::kString;
  }
  return 0;
}

std::optional<DType> dtype_of(int type) {
  switch (type) {
    case ort::kBool:
      return DType::kBool;
    case ort::kUint8:
      return DType::kUint8;
    case ort::kUint16:
      return DType::kUint16;
    case ort::kUint32:
      return DType::kUint32;
    case ort::kUint64:
      return DType::kUint64;
    case ort::kInt8:
      return DType::kInt8;
    case ort::kInt16:
      return DType::kInt16;
    case ort::kInt32:
      return DType::kInt32;
    case ort::kInt64:
      return DType::kInt64;
    case ort::kFloat16:
      return DType::kFp16;
    case ort::kBfloat16:
      return DType::kBf16;
    case ort::kFloat:
      return DType::kFp32;
    case ort::kDouble:
      return DType::kFp64;
    case ort::kString:
      return DType::kBytes;
    default:
      return std::nullopt;
  }
}

/// Element type and dimensions; nothing when it is no tensor of a type that travels.
std::optional<TensorSpec> read_spec(const OrtLibrary& lib, const ort::TensorInfo* info, const std::string& subject) {
  if (info == nullptr) return std::nullopt;  // a sequence or a map
  TensorSpec spec;
  int type = 0;
  std::size_t rank = 0;
  lib.check(lib(ort::kGetTensorElementType)(info, &type), "reading an element type", subject);
  lib.check(lib(ort::kGetDimensionsCount)(info, &rank), "reading a rank", subject);
  spec.shape.resize(rank);
  lib.check(lib(ort::kGetDimensions)(info, spec.shape.data(), rank), "reading dimensions", subject);
  for (auto& d : spec.shape) d = d < 0 ? -1 : d;
  const auto dtype = dtype_of(type);
  if (!dtype) return std::nullopt;
  spec.dtype = *dtype;
  return spec;
}

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

  OrtHandle<ort::Value> make_value(const Tensor& t, std::vector<Bytes>& keep) const {
    OrtHandle<ort::Value> value;
    if (t.dtype == DType::kBytes) return make_string_value(t);
    const std::byte* data = t.data.data();
    static std::byte nothing[8];
    if (t.data.empty()) {
      data = nothing;  // the library refuses null
    } else if (reinterpret_cast<std::uintptr_t>(data) % tensor::dtype_size(t.dtype) != 0) {
      AlignedBuffer copy(t.data.size());
      std::memcpy(copy.data(), data, t.data.size());
      keep.push_back(std::move(copy).freeze());
      data = keep.back().data();
    }
    // The library does not write to inputs; its signature is not const because the same entry makes outputs.
    lib.check(
        lib(ort::kCreateTensorWithDataAsOrtValue)(lib.cpu_memory(), const_cast<std::byte*>(data), t.data.size(),
                                                  t.shape.data(), t.shape.size(), element_type(t.dtype), value.out()),
        "wrapping an input", t.name);
    return value;
  }

  OrtHandle<ort::Value> make_string_value(const Tensor& t) const {
    auto elements = tensor::bytes_elements(t);
    if (!elements) throw elements.error().within(t.name);
    std::vector<std::string> texts;
    texts.reserve(elements->size());
    std::vector<const char*> pointers;
    for (const std::string_view e : *elements) {
      if (e.find('\0') != std::string_view::npos) {
        throw Error(ErrorCode::kInvalidArgument, "a string element holds a NUL character, which this model cannot take",
                    t.name);
      }
      texts.emplace_back(e);
    }
    for (const std::string& s : texts) pointers.push_back(s.c_str());
    OrtHandle<ort::Value> value;
    lib.check(
        lib(ort::kCreateTensorAsOrtValue)(lib.allocator(), t.shape.data(), t.shape.size(), ort::kString, value.out()),
        "making a string input", t.name);
    lib.check(lib(ort::kFillStringTensor)(value.get(), pointers.data(), pointers.size()), "filling a string input",
              t.name);
    return value;
  }

  Tensor read_output(OrtHandle<ort::Value> value, const TensorSpec& declared) const {
    OrtHandle<ort::TensorInfo> info;
    lib.check(lib(ort::kGetTensorTypeAndShape)(value.get(), info.out()), "reading an output", declared.name);
    auto spec = read_spec(lib, info.get(), declared.name);
    if (!spec) throw Error(ErrorCode::kInternal, "the output has a type that cannot be sent", declared.name);
    Tensor t;
    t.name = declared.name;
    t.dtype = spec->dtype;
    t.shape = std::move(spec->shape);
    std::size_t count = 0;
    lib.check(lib(ort::kGetTensorShapeElementCount)(info.get(), &count), "counting an output", declared.name);
    if (t.dtype == DType::kBytes) {
      t.data = read_strings(value.get(), count, declared.name);
      return t;
    }
    void* data = nullptr;
    lib.check(lib(ort::kGetTensorMutableData)(value.get(), &data), "reading an output", declared.name);
    const std::span<const std::byte> bytes(static_cast<const std::byte*>(data), count * tensor::dtype_size(t.dtype));
    // The value lives as long as somebody holds the bytes.
    auto owner = std::make_shared<OrtHandle<ort::Value>>(std::move(value));
    t.data = Bytes(std::move(owner), bytes);
    return t;
  }

  Bytes read_strings(const ort::Value* value, std::size_t count, const std::string& name) const {
    std::size_t length = 0;
    lib.check(lib(ort::kGetStringTensorDataLength)(value, &length), "reading strings", name);
    std::string text(length, '\0');
    std::vector<std::size_t> offsets(count + 1, length);
    if (count > 0) {
      lib.check(lib(ort::kGetStringTensorContent)(value, text.data(), length, offsets.data(), count), "reading strings",
                name);
    }
    std::string packed;
    packed.reserve(length + 4 * count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t n = offsets[i + 1] - offsets[i];
      const auto prefix = static_cast<std::uint32_t>(n);
      for (int shift = 0; shift < 32; shift += 8) packed.push_back(static_cast<char>((prefix >> shift) & 0xffU));
      packed.append(text, offsets[i], n);
    }
    return Bytes::from_string(std::move(packed));
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
    std::array<OrtHandle<ort::Value>, kMaxPorts> values;
    std::array<const ort::Value*, kMaxPorts> in{};
    std::array<ort::Value*, kMaxPorts> out{};
    std::vector<Bytes> keep;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      values[i] = make_value(*ordered[i], keep);
      in[i] = values[i].get();
    }
    ort::Status* status = lib(ort::kRun)(session.get(), nullptr, input_names.data(), in.data(), input_names.size(),
                                         output_names.data(), output_names.size(), out.data());
    std::array<OrtHandle<ort::Value>, kMaxPorts> answers;
    for (std::size_t i = 0; i < output_names.size(); ++i) answers[i] = OrtHandle<ort::Value>(out[i]);
    lib.check(status, "running the model", metadata.name);
    std::vector<Tensor> outputs;
    outputs.reserve(output_names.size());
    for (std::size_t i = 0; i < output_names.size(); ++i) {
      outputs.push_back(read_output(std::move(answers[i]), metadata.outputs[i]));
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
      AlignedBuffer buffer(tensor::element_count(t.shape, unit).value() * unit);
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
    inline_ = warm < kInlineLimit && !guessed;
  }

  void finish() {
    if (!options.expected_sha256.empty() && options.expected_sha256 != checksum) {
      throw Error(ErrorCode::kDataLoss, "has sha256 " + checksum + ", expected " + options.expected_sha256, label);
    }
    read_ports();
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    concurrency = options.concurrency > 0 ? options.concurrency : cores;
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
