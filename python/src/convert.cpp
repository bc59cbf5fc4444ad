#include "convert.hpp"

#include <cstring>

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include "sedna/inference/queue_estimator.hpp"

namespace sedna::python {
namespace {

using tensor::DType;
using tensor::Tensor;
using Form = algo::EdgeResult::Form;

/// A buffer view that is given back when it goes.
class View {
 public:
  View(nb::handle object, int flags) : ok_(PyObject_GetBuffer(object.ptr(), &view_, flags) == 0) {
    if (!ok_) PyErr_Clear();
  }
  ~View() {
    if (ok_) PyBuffer_Release(&view_);
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  explicit operator bool() const { return ok_; }
  const Py_buffer& operator*() const { return view_; }
  const Py_buffer* operator->() const { return &view_; }
  Py_buffer* get() { return &view_; }
  void forget() { ok_ = false; }

 private:
  Py_buffer view_{};
  bool ok_;
};

/// The dtype of a buffer's format; nothing for structures, texts, objects and other byte orders.
bool dtype_of(const Py_buffer& view, DType& dtype) {
  const char* format = view.format == nullptr ? "B" : view.format;
  if (*format == '<' || *format == '=' || *format == '@' || *format == '|') ++format;
  if (format[0] == '\0' || format[1] != '\0') return false;
  const bool wide = view.itemsize == 8;
  switch (*format) {
    case '?':
      dtype = DType::kBool;
      return true;
    case 'B':
    case 'c':
      dtype = DType::kUint8;
      return true;
    case 'b':
      dtype = DType::kInt8;
      return true;
    case 'H':
      dtype = DType::kUint16;
      return true;
    case 'h':
      dtype = DType::kInt16;
      return true;
    case 'I':
      dtype = DType::kUint32;
      return true;
    case 'i':
      dtype = DType::kInt32;
      return true;
    case 'L':
    case 'Q':
    case 'N':
      dtype = wide ? DType::kUint64 : DType::kUint32;
      return true;
    case 'l':
    case 'q':
    case 'n':
      dtype = wide ? DType::kInt64 : DType::kInt32;
      return true;
    case 'e':
      dtype = DType::kFp16;
      return true;
    case 'f':
      dtype = DType::kFp32;
      return true;
    case 'd':
      dtype = DType::kFp64;
      return true;
    default:
      return false;
  }
}

template <class T>
double load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<double>(value);
}

double element(const std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return load<std::uint8_t>(at) != 0 ? 1.0 : 0.0;
    case DType::kUint8:
      return load<std::uint8_t>(at);
    case DType::kUint16:
      return load<std::uint16_t>(at);
    case DType::kUint32:
      return load<std::uint32_t>(at);
    case DType::kUint64:
      return load<std::uint64_t>(at);
    case DType::kInt8:
      return load<std::int8_t>(at);
    case DType::kInt16:
      return load<std::int16_t>(at);
    case DType::kInt32:
      return load<std::int32_t>(at);
    case DType::kInt64:
      return load<std::int64_t>(at);
    case DType::kFp32:
      return load<float>(at);
    default:
      return load<double>(at);
  }
}

/// `count` elements of a strided row, the first at `offset` bytes.
void append_strided(const Py_buffer& view, DType dtype, Py_ssize_t offset, Py_ssize_t count, Py_ssize_t stride,
                    std::vector<double>& values) {
  const auto* at = static_cast<const std::byte*>(view.buf) + offset;
  values.reserve(values.size() + static_cast<std::size_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i, at += stride) values.push_back(element(at, dtype));
}

bool read_buffer(const Py_buffer& view, Form form, std::vector<double>& values) {
  DType dtype;
  if (!dtype_of(view, dtype) || dtype == DType::kFp16 || view.ndim < 1 || view.suboffsets != nullptr) return false;
  // A batch of one is the sample itself.
  int first = 0;
  const int rank = form == Form::kBoxScores ? 2 : 1;
  while (view.ndim - first > rank && view.shape[first] == 1) ++first;
  const Py_ssize_t* shape = view.shape + first;
  const Py_ssize_t* strides = view.strides + first;
  const int left = view.ndim - first;
  if (form != Form::kBoxScores) {
    if (left != 1) return false;
    append_strided(view, dtype, 0, shape[0], strides[0], values);
    return true;
  }
  if (left == 1 && shape[0] == 0) return true;
  if (left != 2 || (shape[0] > 0 && shape[1] < 5)) return false;
  append_strided(view, dtype, 4 * (shape[0] > 0 ? strides[1] : 0), shape[0], strides[0], values);
  return true;
}

bool is_text(PyObject* object) {
  return PyUnicode_Check(object) || PyBytes_Check(object);
}

bool append_number(PyObject* object, std::vector<double>& values) {
  double value;
  if (PyFloat_Check(object)) {
    value = PyFloat_AsDouble(object);
  } else if (PyUnicode_Check(object)) {
    // Scores as text are read as Python's float() does: upstream's image-based filter takes them.
    nb::object parsed = nb::steal(PyFloat_FromString(object));
    if (!parsed.is_valid()) {
      PyErr_Clear();
      return false;
    }
    value = PyFloat_AsDouble(parsed.ptr());
  } else {
    value = PyFloat_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
  }
  values.push_back(value);
  return true;
}

/// The object as a list or tuple; null when it is no sequence.
nb::object as_list(PyObject* object) {
  if (PyList_Check(object) || PyTuple_Check(object)) return nb::borrow(object);
  if (is_text(object)) return {};
  nb::object list = nb::steal(PySequence_List(object));
  if (!list.is_valid()) PyErr_Clear();
  return list;
}

Py_ssize_t list_size(PyObject* list) {
  return PyList_Check(list) ? PyList_Size(list) : PyTuple_Size(list);
}
PyObject* list_item(PyObject* list, Py_ssize_t i) {
  return PyList_Check(list) ? PyList_GetItem(list, i) : PyTuple_GetItem(list, i);
}

bool append_box_score(PyObject* box, std::vector<double>& values) {
  const nb::object items = as_list(box);
  if (!items.is_valid() || list_size(items.ptr()) < 5) return false;
  return append_number(list_item(items.ptr(), 4), values);
}

const nb::object& module_function(const char* module, const char* name, nb::object& cache) {
  if (!cache.is_valid()) cache = nb::module_::import_(module).attr(name);
  return cache;
}

// Looked up once and never destroyed: they must outlive static destruction.
nb::object& cached(int which) {
  static auto* objects = new nb::object[5];
  return objects[which];
}

}  // namespace

bool read_values(nb::handle object, Form form, std::vector<double>& values) {
  if (object.is_none()) return false;
  PyObject* o = object.ptr();
  if (!PyList_Check(o) && !PyTuple_Check(o)) {
    if (is_text(o)) return false;
    if (PyObject_CheckBuffer(o)) {
      const View view(object, PyBUF_FORMAT | PyBUF_STRIDES);
      return view && read_buffer(*view, form, values);
    }
  }
  const nb::object list = as_list(o);
  if (!list.is_valid()) return false;
  const Py_ssize_t size = list_size(list.ptr());
  if (form != Form::kBoxScores && size == 1) {
    PyObject* only = list_item(list.ptr(), 0);
    if (PyList_Check(only) || PyTuple_Check(only)) return read_values(only, form, values);  // a batch of one
  }
  for (Py_ssize_t i = 0; i < size; ++i) {
    PyObject* item = list_item(list.ptr(), i);
    if (!(form == Form::kBoxScores ? append_box_score(item, values) : append_number(item, values))) return false;
  }
  return true;
}

bool make_tensor(nb::handle object, Tensor& out) {
  PyObject* o = object.ptr();
  if (is_text(o) && !PyBytes_Check(o)) return false;
  nb::object holder = nb::borrow(object);
  if (!PyObject_CheckBuffer(o)) {
    // Framework tensors on the CPU say how they become an array.
    if (PyList_Check(o) || PyTuple_Check(o) || PyDict_Check(o) || !nb::hasattr(object, "__array__")) return false;
    holder = module_function("numpy", "asarray", cached(0))(object);
  }
  {
    const View strided(holder, PyBUF_FORMAT | PyBUF_STRIDES);
    DType dtype;
    if (!strided || !dtype_of(*strided, dtype)) return false;
    out.dtype = dtype;
    if (!PyBuffer_IsContiguous(&*strided, 'C')) {
      holder = module_function("numpy", "ascontiguousarray", cached(1))(holder);
    }
    out.shape.assign(strided->shape, strided->shape + strided->ndim);
  }
  // The view belongs to the tensor: whoever drops its last reference takes the GIL to give it back.
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(holder.ptr(), view.get(), PyBUF_CONTIG_RO) != 0) throw nb::python_error();
  std::shared_ptr<Py_buffer> owner(view.release(), [](Py_buffer* held) {
    if (Py_IsInitialized()) {
      const nb::gil_scoped_acquire gil;
      PyBuffer_Release(held);
    }
    delete held;
  });
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(owner->buf),
                                         static_cast<std::size_t>(owner->len));
  out.data = Bytes(std::move(owner), bytes);
  return true;
}

nb::object make_array(const Tensor& tensor) {
  nb::dlpack::dtype dtype{};
  const auto set = [&](nb::dlpack::dtype_code code, std::uint8_t bits) {
    dtype = {static_cast<std::uint8_t>(code), bits, 1};
  };
  using nb::dlpack::dtype_code;
  switch (tensor.dtype) {
    case DType::kBool:
      set(dtype_code::Bool, 8);
      break;
    case DType::kUint8:
      set(dtype_code::UInt, 8);
      break;
    case DType::kUint16:
      set(dtype_code::UInt, 16);
      break;
    case DType::kUint32:
      set(dtype_code::UInt, 32);
      break;
    case DType::kUint64:
      set(dtype_code::UInt, 64);
      break;
    case DType::kInt8:
      set(dtype_code::Int, 8);
      break;
    case DType::kInt16:
      set(dtype_code::Int, 16);
      break;
    case DType::kInt32:
      set(dtype_code::Int, 32);
      break;
    case DType::kInt64:
      set(dtype_code::Int, 64);
      break;
    case DType::kFp16:
      set(dtype_code::Float, 16);
      break;
    case DType::kBf16:
      set(dtype_code::UInt, 16);
      break;  // numpy has no bfloat16: widened below
    case DType::kFp32:
      set(dtype_code::Float, 32);
      break;
    case DType::kFp64:
      set(dtype_code::Float, 64);
      break;
    case DType::kBytes: {
      const auto elements = tensor::bytes_elements(tensor).value();
      nb::list list;
      for (const auto element : elements) list.append(nb::bytes(element.data(), element.size()));
      return list;
    }
  }
  auto* owner = new Bytes(tensor.data);
  const nb::capsule capsule(owner, [](void* held) noexcept { delete static_cast<Bytes*>(held); });
  std::vector<std::size_t> shape(tensor.shape.begin(), tensor.shape.end());
  const nb::ndarray<nb::numpy> array(const_cast<std::byte*>(owner->data()), shape.size(), shape.data(), capsule,
                                     nullptr, dtype);
  nb::object made = nb::cast(array);
  if (tensor.dtype == DType::kBf16) {
    made = (made.attr("astype")("uint32") * nb::int_(65536)).attr("view")("float32");
  }
  return made;
}

nb::object cloud_answer(const std::vector<Tensor>& outputs, const Bytes& json) {
  if (!json.empty()) return json_loads(json.text())["result"];
  if (outputs.size() == 1) {
    const Tensor& only = outputs.front();
    if (only.dtype == DType::kBytes && only.name == inference::kJsonOutput && only.shape.size() <= 1) {
      const auto elements = tensor::bytes_elements(only).value();
      if (elements.size() == 1) return json_loads(elements.front());
    }
    nb::object array = make_array(only);
    return only.dtype == DType::kBytes ? array : nb::object(array.attr("tolist")());
  }
  nb::dict all;
  for (const Tensor& output : outputs) {
    if (output.name == kFormOutput) continue;
    nb::object array = make_array(output);
    all[nb::str(output.name.c_str())] = output.dtype == DType::kBytes ? array : nb::object(array.attr("tolist")());
  }
  return all;
}

std::uint64_t payload_size(nb::handle data) {
  if (!PyObject_CheckBuffer(data.ptr())) return 0;
  const View view(data, PyBUF_STRIDES);
  return view ? static_cast<std::uint64_t>(view->len) : 0;
}

inference::CloudCall make_call(nb::handle data, nb::handle members) {
  inference::CloudCall call;
  Tensor tensor;
  const bool is_tensor = make_tensor(data, tensor);
  if (is_tensor) call.inputs.push_back(std::move(tensor));
  if (!is_tensor) {
    nb::dict body;
    if (members.is_none()) {
      body["post_process"] = nb::none();
    } else {
      body.update(nb::borrow<nb::dict>(members));
    }
    body["data"] = nb::hasattr(data, "tolist") ? nb::object(data.attr("tolist")()) : nb::borrow(data);
    call.json_body = json_dumps(body, false);
  } else if (!members.is_none()) {
    // Only the JSON wire carries more than the sample; the text before "data" is made now, the numbers only if need be.
    const std::string text = json_dumps(members, false);
    call.json_members = text.substr(1, text.size() - 2);
  }
  return call;
}

std::shared_ptr<nb::object> keep(nb::object object) {
  return {new nb::object(std::move(object)), [](nb::object* held) {
            if (!Py_IsInitialized()) {
              held->release();  // the interpreter is gone, and the object with it
              delete held;
              return;
            }
            const nb::gil_scoped_acquire gil;
            delete held;
          }};
}

nb::object json_loads(std::string_view text) {
  return module_function("json", "loads", cached(2))(nb::str(text.data(), text.size()));
}

std::string json_dumps(nb::handle value, bool compact) {
  const nb::object& dumps = module_function("json", "dumps", cached(3));
  if (!compact) return nb::cast<std::string>(dumps(value));
  // Arrays inside are lists to JSON.
  nb::object& to_list = cached(4);
  if (!to_list.is_valid()) {
    to_list = nb::cpp_function([](nb::handle inner) -> nb::object {
      if (nb::hasattr(inner, "tolist")) return inner.attr("tolist")();
      const std::string type = nb::cast<std::string>(inner.type().attr("__name__"));
      throw nb::type_error(("Object of type " + type + " is not JSON serializable").c_str());
    });
  }
  return nb::cast<std::string>(dumps(value, nb::arg("default") = to_list, nb::arg("ensure_ascii") = false,
                                     nb::arg("allow_nan") = false, nb::arg("separators") = nb::make_tuple(",", ":")));
}

}  // namespace sedna::python
