#include "sedna/inference/ort_library.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "sedna/base/log.hpp"

namespace sedna::inference {

namespace {

namespace fs = std::filesystem;

std::mutex& paths_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::vector<std::string>& added_paths() {
  static std::vector<std::string> paths;
  return paths;
}

/// The library files of a folder, newest name first; a file stands for itself.
std::vector<std::string> library_files(const fs::path& path) {
  std::error_code ec;
  if (!fs::is_directory(path, ec)) return {path.string()};
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path, ec)) {
    if (entry.path().filename().string().starts_with("libonnxruntime.so")) files.push_back(entry.path().string());
  }
  std::sort(files.rbegin(), files.rend());
  if (files.empty()) files.push_back((path / "libonnxruntime.so*").string());  // so that the message shows the folder
  return files;
}

/// <venv>/lib/python3.x/site-packages/onnxruntime/capi of a virtual environment, where it exists.
void add_wheel_folders(const fs::path& venv, std::vector<std::string>& out) {
  std::error_code ec;
  for (const char* lib : {"lib", "lib64"}) {
    for (const auto& entry : fs::directory_iterator(venv / lib, ec)) {
      const fs::path capi = entry.path() / "site-packages" / "onnxruntime" / "capi";
      if (fs::is_directory(capi, ec)) out.push_back(capi.string());
    }
  }
}

std::vector<std::string> candidates() {
  if (const char* named = std::getenv("SEDNA_ONNXRUNTIME"); named != nullptr && *named != '\0') {
    return library_files(named);
  }
  std::vector<std::string> folders;
  {
    const std::lock_guard lock(paths_mutex());
    folders = added_paths();
  }
  if (const char* venv = std::getenv("VIRTUAL_ENV"); venv != nullptr && *venv != '\0') add_wheel_folders(venv, folders);
  std::error_code ec;
  const fs::path program = fs::read_symlink("/proc/self/exe", ec);
  if (!ec) {
    const fs::path above = program.parent_path().parent_path();
    add_wheel_folders(above / "venv", folders);                // build/bin/sedna-worker beside build/venv
    add_wheel_folders(above.parent_path() / "venv", folders);  // build/<preset>/bin
  }
  std::vector<std::string> files;
  for (const std::string& folder : folders) {
    for (std::string& file : library_files(folder)) files.push_back(std::move(file));
  }
  files.insert(files.end(), {"libonnxruntime.so.1", "libonnxruntime.so", "/usr/local/lib/libonnxruntime.so.1",
                             "/usr/local/lib/libonnxruntime.so", "/opt/onnxruntime/lib/libonnxruntime.so.1"});
  if (!ec) files.push_back((program.parent_path().parent_path() / "lib" / "libonnxruntime.so.1").string());
  return files;
}

/// ONNX, opset 13: y = Identity(x), both float[2].
constexpr std::array<unsigned char, 65> kIdentityModel = {
    0x08, 0x08, 0x3a, 0x37,  // IR version 8; graph, 55 bytes
    0x0a, 0x10, 0x0a, 0x01, 'x',  0x12, 0x01, 'y',  0x22, 0x08, 'I',  'd',  'e',  'n',  't',  'i',  't',
    'y',              // the node
    0x12, 0x01, 't',  // the graph's name
    0x5a, 0x0f, 0x0a, 0x01, 'x',  0x12, 0x0a, 0x0a, 0x08, 0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x02,  // input
    0x62, 0x0f, 0x0a, 0x01, 'y',  0x12, 0x0a, 0x0a, 0x08, 0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x02,  // output
    0x42, 0x04, 0x0a, 0x00, 0x10, 0x0d};                                                                   // opset 13

}  // namespace

void add_onnxruntime_path(std::string path) {
  const std::lock_guard lock(paths_mutex());
  added_paths().push_back(std::move(path));
}

std::unique_ptr<OrtLibrary> OrtLibrary::open() {
  std::string tried;
  for (const std::string& file : candidates()) {
    void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* reason = ::dlerror();
      tried += "\n  " + std::string(reason != nullptr ? reason : file.c_str());
      continue;
    }
    auto* base_of = reinterpret_cast<const ort::ApiBase* (*)()>(::dlsym(handle, "OrtGetApiBase"));
    const ort::ApiBase* base = base_of != nullptr ? base_of() : nullptr;
    const ort::RawFunction* table = base != nullptr ? base->get_api(ort::kApiVersion) : nullptr;
    if (table == nullptr) {
      tried += "\n  " + file +
               (base == nullptr
                    ? ": no OrtGetApiBase in it"
                    : ": version " + std::string(base->get_version_string()) + " is too old, 1.22 or newer is needed");
      ::dlclose(handle);
      continue;
    }
    std::unique_ptr<OrtLibrary> library(new OrtLibrary);
    library->table_ = table;
    library->version_ = base->get_version_string();
    library->path_ = file;
    library->start();
    return library;
  }
  throw Error(ErrorCode::kUnavailable,
              "ONNX Runtime (1.22 or newer) was not found. Install the Python wheel (pip install onnxruntime), or put "
              "libonnxruntime.so where the linker finds it, or name the file in SEDNA_ONNXRUNTIME. Tried:" +
                  tried);
}

const OrtLibrary& OrtLibrary::get() {
  static std::mutex mutex;
  // Never destroyed: sessions in other static objects, or of threads that outlive main(), still call into it.
  static OrtLibrary* library = nullptr;
  const std::lock_guard lock(mutex);
  if (library == nullptr) {
    library = open().release();
    log::debug("ONNX Runtime loaded", {{"version", library->version_}, {"path", library->path_}});
  }
  return *library;
}

void OrtLibrary::start() {
  check((*this)(ort::kCreateEnv)(ort::kLogErrors, "sedna", &env_), "making the ONNX Runtime environment", path_);
  // Some builds report usage to their vendor unless told not to: an edge node calls nobody it was not told to call.
  check((*this)(ort::kDisableTelemetryEvents)(env_), "switching the ONNX Runtime's telemetry off", path_);
  check((*this)(ort::kGetAllocatorWithDefaultOptions)(&allocator_), "asking for the allocator", path_);
  check((*this)(ort::kCreateCpuMemoryInfo)(ort::kArenaAllocator, ort::kDefaultMemory, &cpu_memory_),
        "describing CPU memory", path_);
  self_test();
}

/// Runs the model above through the entries that every inference uses.
void OrtLibrary::self_test() const {
  const OrtLibrary& lib = *this;
  ort::SessionOptions* options = nullptr;
  check(lib(ort::kCreateSessionOptions)(&options), "self-test: session options", path_);
  ort::Session* session = nullptr;
  ort::Status* status = lib(ort::kSetIntraOpNumThreads)(options, 1);
  if (status == nullptr) {
    status = lib(ort::kCreateSessionFromArray)(env_, kIdentityModel.data(), kIdentityModel.size(), options, &session);
  }
  lib(ort::kReleaseSessionOptions)(options);
  check(status, "self-test: opening the Identity model", path_);

  std::array<float, 2> in = {1.5F, -2.25F};
  const std::int64_t shape = 2;
  ort::Value* value = nullptr;
  ort::Value* answer = nullptr;
  void* data = nullptr;
  status = lib(ort::kCreateTensorWithDataAsOrtValue)(cpu_memory_, in.data(), sizeof in, &shape, 1, ort::kFloat, &value);
  if (status == nullptr) {
    const char* x = "x";
    const char* y = "y";
    status = lib(ort::kRun)(session, nullptr, &x, &value, 1, &y, 1, &answer);
  }
  if (status == nullptr) status = lib(ort::kGetTensorMutableData)(answer, &data);
  const bool right = status == nullptr && data != nullptr &&
                     std::ranges::equal(in, std::span(static_cast<const float*>(data), in.size()));
  if (answer != nullptr) lib(ort::kReleaseValue)(answer);
  if (value != nullptr) lib(ort::kReleaseValue)(value);
  lib(ort::kReleaseSession)(session);
  check(status, "self-test: running the Identity model", path_);
  if (!right) {
    throw Error(ErrorCode::kInternal,
                "ONNX Runtime " + version_ +
                    " failed the start-up self-test: its function table is "
                    "not laid out as expected",
                path_);
  }
}

Error OrtLibrary::to_error(ort::Status* status, std::string_view doing, std::string_view subject) const {
  const int kind = (*this)(ort::kGetErrorCode)(status);
  std::string text = (*this)(ort::kGetErrorMessage)(status);
  (*this)(ort::kReleaseStatus)(status);
  ErrorCode code = ErrorCode::kInternal;
  switch (kind) {
    case ort::kInvalidArgument:
    case ort::kInvalidProtobuf:
    case ort::kInvalidGraph:
      code = ErrorCode::kInvalidArgument;
      break;
    case ort::kNoSuchFile:
    case ort::kNoModel:
      code = ErrorCode::kNotFound;
      break;
    case ort::kNotImplemented:
      code = ErrorCode::kUnimplemented;
      break;
    default:
      break;
  }
  return Error(code, std::string(doing) + ": " + text, std::string(subject));
}

void OrtLibrary::check(ort::Status* status, std::string_view doing, std::string_view subject) const {
  if (status != nullptr) throw to_error(status, doing, subject);
}

template <>
void OrtHandle<ort::Session>::reset() {
  if (object_ != nullptr) OrtLibrary::get()(ort::kReleaseSession)(std::exchange(object_, nullptr));
}
template <>
void OrtHandle<ort::SessionOptions>::reset() {
  if (object_ != nullptr) OrtLibrary::get()(ort::kReleaseSessionOptions)(std::exchange(object_, nullptr));
}
template <>
void OrtHandle<ort::Value>::reset() {
  if (object_ != nullptr) OrtLibrary::get()(ort::kReleaseValue)(std::exchange(object_, nullptr));
}
template <>
void OrtHandle<ort::TypeInfo>::reset() {
  if (object_ != nullptr) OrtLibrary::get()(ort::kReleaseTypeInfo)(std::exchange(object_, nullptr));
}
template <>
void OrtHandle<ort::TensorInfo>::reset() {
  if (object_ != nullptr) OrtLibrary::get()(ort::kReleaseTensorInfo)(std::exchange(object_, nullptr));
}

}  // namespace sedna::inference
