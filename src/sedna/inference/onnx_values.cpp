#include "sedna/inference/onnx_values.hpp"

#include <array>
#include <cstring>
#include <utility>

namespace sedna::inference {

using tensor::DType;
using tensor::Tensor;

namespace {

constexpr std::array<std::pair<DType, int>, 14> kTypes = {{{DType::kBool, ort::kBool},
                                                           {DType::kUint8, ort::kUint8},
                                                           {DType::kUint16, ort::kUint16},
                                                           {DType::kUint32, ort::kUint32},
                                                           {DType::kUint64, ort::kUint64},
                                                           {DType::kInt8, ort::kInt8},
                                                           {DType::kInt16, ort::kInt16},
                                                           {DType::kInt32, ort::kInt32},
                                                           {DType::kInt64, ort::kInt64},
                                                           {DType::kFp16, ort::kFloat16},
                                                           {DType::kBf16, ort::kBfloat16},
                                                           {DType::kFp32, ort::kFloat},
                                                           {DType::kFp64, ort::kDouble},
                                                           {DType::kBytes, ort::kString}}};

int element_type(DType dtype) {
  for (const auto& [ours, theirs] : kTypes) {
    if (ours == dtype) return theirs;
  }
  return 0;
}

std::optional<DType> dtype_of(int type) {
  for (const auto& [ours, theirs] : kTypes) {
    if (theirs == type) return ours;
  }
  return std::nullopt;
}

OrtHandle<ort::Value> make_string_value(const OrtLibrary& lib, const Tensor& t) {
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

Bytes read_strings(const OrtLibrary& lib, const ort::Value* value, std::size_t count, const std::string& name) {
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

}  // namespace

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

OrtHandle<ort::Value> make_value(const OrtLibrary& lib, const Tensor& t, std::vector<Bytes>& keep) {
  OrtHandle<ort::Value> value;
  if (t.dtype == DType::kBytes) return make_string_value(lib, t);
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

Tensor read_value(const OrtLibrary& lib, OrtHandle<ort::Value> value, const std::string& name) {
  OrtHandle<ort::TensorInfo> info;
  lib.check(lib(ort::kGetTensorTypeAndShape)(value.get(), info.out()), "reading an output", name);
  auto spec = read_spec(lib, info.get(), name);
  if (!spec) throw Error(ErrorCode::kInternal, "the output has a type that cannot be sent", name);
  Tensor t;
  t.name = name;
  t.dtype = spec->dtype;
  t.shape = std::move(spec->shape);
  std::size_t count = 0;
  lib.check(lib(ort::kGetTensorShapeElementCount)(info.get(), &count), "counting an output", name);
  if (t.dtype == DType::kBytes) {
    t.data = read_strings(lib, value.get(), count, name);
    return t;
  }
  void* data = nullptr;
  lib.check(lib(ort::kGetTensorMutableData)(value.get(), &data), "reading an output", name);
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(data), count * tensor::dtype_size(t.dtype));
  // The value lives as long as somebody holds the bytes.
  auto owner = std::make_shared<OrtHandle<ort::Value>>(std::move(value));
  t.data = Bytes(std::move(owner), bytes);
  return t;
}

}  // namespace sedna::inference
