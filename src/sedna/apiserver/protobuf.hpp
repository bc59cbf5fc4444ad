// Kubernetes' protobuf as `kubectl create configmap` and other typed Go clients send it, read into the same trees as
// JSON. Only read: answers are JSON, which those clients take. Internal to module apiserver.
#pragma once

#include <string_view>

#include "sedna/api/object.hpp"
#include "sedna/base/result.hpp"

namespace sedna::apiserver {

inline constexpr std::string_view kProtobufType = "application/vnd.kubernetes.protobuf";

/// A body that begins with "k8s\0". Bytes from outside; an error for other kinds than the core ones that are served.
Result<api::Object> parse_protobuf(std::string_view body);

/// The recorded numbers of fields (core_protobuf.txt).
extern const std::string_view kCoreProtobufText;

}  // namespace sedna::apiserver
