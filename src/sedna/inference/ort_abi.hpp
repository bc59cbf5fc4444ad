// The part of ONNX Runtime's C ABI that we call, written down by position: the library is easy to have (it is in every
// wheel and jar), its header is in neither. OrtGetApiBase() is the one exported symbol; GetApi(version) returns an
// append-only table of function pointers whose positions never change. Only inference/ort_library.* and
// onnx_estimator.* include this. A wrong position is caught by OrtLibrary's self-test, not in service.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sedna::inference::ort {

/// The table version that we ask for: the oldest whose entries include all of ours, so that old libraries do too.
inline constexpr std::uint32_t kApiVersion = 22;

// Opaque objects of the library. All but Allocator are released by the entry named after them.
struct Status;
struct Env;
struct Session;
struct SessionOptions;
struct RunOptions;
struct MemoryInfo;
struct Value;
struct TypeInfo;
struct TensorInfo;  ///< OrtTensorTypeAndShapeInfo; owned when asked from a value, borrowed when cast from a TypeInfo
struct Allocator;

using RawFunction = void (*)();

/// What OrtGetApiBase() returns.
struct ApiBase {
  const RawFunction* (*get_api)(std::uint32_t version);
  const char* (*get_version_string)();
};

/// One entry: its position in the table and its C signature.
template <std::size_t Position, class Signature>
struct Entry {};

template <std::size_t Position, class Return, class... Arguments>
struct Entry<Position, Return(Arguments...)> {
  using Function = Return (*)(Arguments...);
  Function in(const RawFunction* table) const { return reinterpret_cast<Function>(table[Position]); }
};

// A returned Status is null on success and owned by the caller.
// clang-format off
inline constexpr Entry<1, int(const Status*)> kGetErrorCode;
inline constexpr Entry<2, const char*(const Status*)> kGetErrorMessage;
inline constexpr Entry<3, Status*(int level, const char* id, Env** out)> kCreateEnv;
inline constexpr Entry<6, Status*(const Env*)> kDisableTelemetryEvents;
inline constexpr Entry<7, Status*(const Env*, const char* path, const SessionOptions*, Session** out)> kCreateSession;
inline constexpr Entry<8, Status*(const Env*, const void* model, std::size_t bytes, const SessionOptions*, Session** out)> kCreateSessionFromArray;
inline constexpr Entry<9, Status*(Session*, const RunOptions*, const char* const* input_names, const Value* const* inputs, std::size_t input_count,
                                  const char* const* output_names, std::size_t output_count, Value** outputs)> kRun;
inline constexpr Entry<10, Status*(SessionOptions** out)> kCreateSessionOptions;
inline constexpr Entry<18, Status*(SessionOptions*)> kEnableCpuMemArena;
inline constexpr Entry<19, Status*(SessionOptions*)> kDisableCpuMemArena;
inline constexpr Entry<22, Status*(SessionOptions*, int level)> kSetSessionLogSeverityLevel;
inline constexpr Entry<23, Status*(SessionOptions*, int level)> kSetSessionGraphOptimizationLevel;
inline constexpr Entry<24, Status*(SessionOptions*, int threads)> kSetIntraOpNumThreads;
inline constexpr Entry<25, Status*(SessionOptions*, int threads)> kSetInterOpNumThreads;
inline constexpr Entry<30, Status*(const Session*, std::size_t* out)> kSessionGetInputCount;
inline constexpr Entry<31, Status*(const Session*, std::size_t* out)> kSessionGetOutputCount;
inline constexpr Entry<33, Status*(const Session*, std::size_t index, TypeInfo** out)> kSessionGetInputTypeInfo;
inline constexpr Entry<34, Status*(const Session*, std::size_t index, TypeInfo** out)> kSessionGetOutputTypeInfo;
inline constexpr Entry<36, Status*(const Session*, std::size_t index, Allocator*, char** out)> kSessionGetInputName;
inline constexpr Entry<37, Status*(const Session*, std::size_t index, Allocator*, char** out)> kSessionGetOutputName;
inline constexpr Entry<48, Status*(Allocator*, const std::int64_t* shape, std::size_t rank, int type, Value** out)> kCreateTensorAsOrtValue;
inline constexpr Entry<49, Status*(const MemoryInfo*, void* data, std::size_t bytes, const std::int64_t* shape, std::size_t rank, int type, Value** out)> kCreateTensorWithDataAsOrtValue;
inline constexpr Entry<51, Status*(Value*, void** out)> kGetTensorMutableData;
inline constexpr Entry<52, Status*(Value*, const char* const* strings, std::size_t count)> kFillStringTensor;
inline constexpr Entry<53, Status*(const Value*, std::size_t* bytes)> kGetStringTensorDataLength;
inline constexpr Entry<54, Status*(const Value*, void* text, std::size_t bytes, std::size_t* offsets, std::size_t count)> kGetStringTensorContent;
inline constexpr Entry<55, Status*(const TypeInfo*, const TensorInfo** out)> kCastTypeInfoToTensorInfo;
inline constexpr Entry<60, Status*(const TensorInfo*, int* out)> kGetTensorElementType;
inline constexpr Entry<61, Status*(const TensorInfo*, std::size_t* out)> kGetDimensionsCount;
inline constexpr Entry<62, Status*(const TensorInfo*, std::int64_t* dimensions, std::size_t count)> kGetDimensions;
inline constexpr Entry<64, Status*(const TensorInfo*, std::size_t* out)> kGetTensorShapeElementCount;
inline constexpr Entry<65, Status*(const Value*, TensorInfo** out)> kGetTensorTypeAndShape;
inline constexpr Entry<69, Status*(int allocator_type, int memory_type, MemoryInfo** out)> kCreateCpuMemoryInfo;
inline constexpr Entry<76, Status*(Allocator*, void* memory)> kAllocatorFree;
inline constexpr Entry<78, Status*(Allocator** out)> kGetAllocatorWithDefaultOptions;
inline constexpr Entry<93, void(Status*)> kReleaseStatus;
inline constexpr Entry<94, void(MemoryInfo*)> kReleaseMemoryInfo;
inline constexpr Entry<95, void(Session*)> kReleaseSession;
inline constexpr Entry<96, void(Value*)> kReleaseValue;
inline constexpr Entry<98, void(TypeInfo*)> kReleaseTypeInfo;
inline constexpr Entry<99, void(TensorInfo*)> kReleaseTensorInfo;
inline constexpr Entry<100, void(SessionOptions*)> kReleaseSessionOptions;
inline constexpr Entry<130, Status*(SessionOptions*, const char* key, const char* value)> kAddSessionConfigEntry;
// clang-format on

/// OrtErrorCode, as far as we tell them apart.
enum ErrorKind : int {
  kInvalidArgument = 2,
  kNoSuchFile = 3,
  kNoModel = 4,
  kInvalidProtobuf = 7,
  kNotImplemented = 9,
  kInvalidGraph = 10,
};

/// ONNXTensorElementDataType.
enum ElementType : int {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kBfloat16 = 16,
};

inline constexpr int kLogErrors = 3;  ///< ORT_LOGGING_LEVEL_ERROR
inline constexpr int kOptimizeEverything = 99;
inline constexpr int kArenaAllocator = 1;  ///< OrtArenaAllocator
inline constexpr int kDefaultMemory = 0;   ///< OrtMemTypeDefault

}  // namespace sedna::inference::ort
