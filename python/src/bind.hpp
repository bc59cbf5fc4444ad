// One function a binding file; module.cpp calls them.
#pragma once

#include <nanobind/nanobind.h>

namespace sedna::python {

void bind_calibration(nanobind::module_& m);
void bind_features(nanobind::module_& m);
void bind_federated(nanobind::module_& m);
void bind_filters(nanobind::module_& m);
void bind_joint(nanobind::module_& m);
void bind_server(nanobind::module_& m);
void bind_storage(nanobind::module_& m);

}  // namespace sedna::python
