// The extension module sedna._sedna: errors of the core as Python's own, then a binding file a feature.
#include <nanobind/nanobind.h>

#include "sedna/base/error.hpp"

#include "bind.hpp"

namespace {

PyObject* exception_for(sedna::ErrorCode code) {
  switch (code) {
    case sedna::ErrorCode::kInvalidArgument:
      return PyExc_ValueError;
    case sedna::ErrorCode::kNotFound:
      return PyExc_FileNotFoundError;
    case sedna::ErrorCode::kAlreadyExists:
      return PyExc_FileExistsError;
    case sedna::ErrorCode::kPermissionDenied:
    case sedna::ErrorCode::kUnauthenticated:
      return PyExc_PermissionError;
    case sedna::ErrorCode::kUnavailable:
    case sedna::ErrorCode::kAborted:
      return PyExc_ConnectionError;
    case sedna::ErrorCode::kDeadlineExceeded:
      return PyExc_TimeoutError;
    case sedna::ErrorCode::kUnimplemented:
      return PyExc_NotImplementedError;
    case sedna::ErrorCode::kDataLoss:
      return PyExc_OSError;
    default:
      return PyExc_RuntimeError;
  }
}

}  // namespace

NB_MODULE(_sedna, m) {
  nanobind::set_leak_warnings(false);  // objects held by threads that outlive the interpreter are no mistake
  nanobind::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const sedna::Error& error) {
      PyErr_SetString(exception_for(error.code()), error.what());
    }
  });
  sedna::python::bind_calibration(m);
  sedna::python::bind_federated(m);
  sedna::python::bind_features(m);
  sedna::python::bind_filters(m);
  sedna::python::bind_joint(m);
  sedna::python::bind_server(m);
  sedna::python::bind_storage(m);
}
