// Declares that the shared parts are described in common.cpp. For the .cpp files of the kinds.
#pragma once

#include "sedna/api/common.hpp"
#include "sedna/api/describe.hpp"

namespace sedna::api {

template <>
const StructInfo<KeyValue>& struct_info();
template <>
const StructInfo<NameReference>& struct_info();
template <>
const StructInfo<Condition>& struct_info();
template <>
const StructInfo<StageCondition>& struct_info();
template <>
const StructInfo<HardExampleMining>& struct_info();
template <>
const StructInfo<Timer>& struct_info();
template <>
const StructInfo<TriggerCondition>& struct_info();
template <>
const StructInfo<Trigger>& struct_info();
template <>
const StructInfo<Hpa>& struct_info();
template <>
const StructInfo<TemplateWorker>& struct_info();
template <>
const StructInfo<DeploymentSpec>& struct_info();
template <>
const StructInfo<JobSpec>& struct_info();
template <>
const StructInfo<ServiceStatus>& struct_info();

}  // namespace sedna::api
