// Finds, opens and checks ONNX Runtime at run time (no link-time dependency), and owns the process's one environment.
// Called by OnnxEstimator on the first model load, never earlier: an environment must not exist before a fork.
//
// Search order, first that opens wins:
//   1. SEDNA_ONNXRUNTIME (a file, or a folder that holds libonnxruntime.so*). When set, nothing else is tried.
//   2. Paths given by add_search_path(), e.g. by the Python package: <site-packages>/onnxruntime/capi.
//   3. The Python wheel in $VIRTUAL_ENV, and in a "venv" folder beside the program's own folder.
//   4. The system: libonnxruntime.so.1 and libonnxruntime.so as the dynamic linker finds them, /usr/local/lib,
//      /opt/onnxruntime/lib, and ../lib beside the program.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "sedna/base/error.hpp"
#include "sedna/inference/ort_abi.hpp"

namespace sedna::inference {

/// Adds a file or folder to look in (step 2). Before the first load; thread-safe.
void add_onnxruntime_path(std::string path);

class OrtLibrary {
 public:
  /// The opened and self-tested library, for the life of the process. Thread-safe. Throws Error(kUnavailable) that
  /// lists what was tried; a later call tries again (the user may have set the variable).
  static const OrtLibrary& get();

  /// `library(ort::kRun)(…)`: the function at that position.
  template <std::size_t Position, class Signature>
  auto operator()(ort::Entry<Position, Signature> entry) const {
    return entry.in(table_);
  }
  /// Nothing on success; throws otherwise. Releases the status either way.
  void check(ort::Status* status, std::string_view doing, std::string_view subject = {}) const;
  /// The error that the status stands for; releases it.
  Error to_error(ort::Status* status, std::string_view doing, std::string_view subject) const;

  ort::Env* env() const { return env_; }
  ort::Allocator* allocator() const { return allocator_; }
  const ort::MemoryInfo* cpu_memory() const { return cpu_memory_; }
  const std::string& version() const { return version_; }
  const std::string& path() const { return path_; }

 private:
  OrtLibrary() = default;
  static std::unique_ptr<OrtLibrary> open();
  void start();
  void self_test() const;

  const ort::RawFunction* table_ = nullptr;
  ort::Env* env_ = nullptr;  // never released: the library's own static state would be gone before ours at exit
  ort::Allocator* allocator_ = nullptr;
  ort::MemoryInfo* cpu_memory_ = nullptr;
  std::string version_;
  std::string path_;
};

/// Owns one object of the library; released by its entry.
template <class T>
class OrtHandle {
 public:
  OrtHandle() = default;
  explicit OrtHandle(T* object) : object_(object) {}
  OrtHandle(OrtHandle&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  OrtHandle& operator=(OrtHandle&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~OrtHandle() { reset(); }
  T* get() const { return object_; }
  /// For an out parameter; frees what was held.
  T** out() {
    reset();
    return &object_;
  }
  T* release() { return std::exchange(object_, nullptr); }

 private:
  void reset();
  T* object_ = nullptr;
};

template <>
void OrtHandle<ort::Session>::reset();
template <>
void OrtHandle<ort::SessionOptions>::reset();
template <>
void OrtHandle<ort::Value>::reset();
template <>
void OrtHandle<ort::TypeInfo>::reset();
template <>
void OrtHandle<ort::TensorInfo>::reset();

}  // namespace sedna::inference
