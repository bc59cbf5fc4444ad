// The model server around Python user code: requests wait in the core's queue until a Python thread asks for the next
// one, so user code runs on threads that Python knows, and the GIL is held only around it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "sedna/inference/model_server.hpp"
#include "sedna/inference/queue_estimator.hpp"

#include "bind.hpp"
#include "convert.hpp"

namespace sedna::python {
namespace {

using inference::QueueEstimator;

/// One request; answered exactly once.
class Call {
 public:
  explicit Call(QueueEstimator::Call call) : call_(std::move(call)) {}

  bool is_json() const { return call_.is_json(); }
  std::optional<std::string> callback() const { return call_.callback(); }
  const std::string& request_id() const { return call_.request_id(); }
  bool abandoned() const { return call_.abandoned(); }

  /// The sample: JSON's lists, one input's array, or a dictionary of several.
  nb::object data() const {
    if (call_.is_json()) return json_loads(call_.json());
    const auto inputs = call_.inputs();
    if (inputs.size() == 1) return make_array(inputs.front());
    nb::dict all;
    for (const auto& input : inputs) all[nb::str(input.name.c_str())] = make_array(input);
    return all;
  }

  /// The model's result: arrays as tensors, everything else as JSON. TypeError or ValueError for what neither carries.
  void complete(nb::handle result) {
    nb::object value = nb::borrow(result);
    if (call_.is_json()) {
      if (nb::hasattr(value, "tolist")) value = value.attr("tolist")();
      if (!PyList_Check(value.ptr()) && !PyTuple_Check(value.ptr())) {
        throw nb::type_error("the result of a JSON request must be a list or an array");
      }
      give_json(value);
      return;
    }
    std::vector<tensor::Tensor> outputs;
    if (PyDict_Check(value.ptr()) && PyDict_Size(value.ptr()) > 0) {
      for (const auto [name, output] : nb::borrow<nb::dict>(value)) {
        tensor::Tensor tensor;
        if (!PyUnicode_Check(name.ptr()) || !to_tensor(output, tensor)) {
          outputs.clear();
          break;
        }
        tensor.name = nb::cast<std::string>(name);
        outputs.push_back(std::move(tensor));
      }
      if (outputs.size() == 1) {
        const std::string_view form = "object";
        outputs.push_back(tensor::make_bytes_tensor(std::string(kFormOutput), std::span(&form, 1)));
      }
    } else {
      tensor::Tensor tensor;
      if (to_tensor(value, tensor)) {
        tensor.name = "result";
        outputs.push_back(std::move(tensor));
      }
    }
    if (outputs.empty()) {
      give_json(value);
      return;
    }
    const nb::gil_scoped_release unlocked;
    call_.complete(std::move(outputs));
  }

  void fail(const std::string& message, bool refused) {
    const nb::gil_scoped_release unlocked;
    call_.fail(Error(refused ? ErrorCode::kInvalidArgument : ErrorCode::kInternal, message));
  }

 private:
  void give_json(nb::handle value) {
    std::string text = json_dumps(value, true);
    const nb::gil_scoped_release unlocked;
    call_.complete_json(std::move(text));
  }

  /// Arrays, and lists of numbers of one shape.
  static bool to_tensor(nb::handle value, tensor::Tensor& tensor) {
    if (PyBytes_Check(value.ptr())) return false;
    if (make_tensor(value, tensor)) return true;
    if (!PyList_Check(value.ptr()) && !PyTuple_Check(value.ptr())) return false;
    nb::object array;
    try {
      array = nb::module_::import_("numpy").attr("asarray")(value);
    } catch (nb::python_error& error) {  // lists of unequal lengths
      if (!error.matches(PyExc_ValueError) && !error.matches(PyExc_OverflowError)) throw;
      return false;
    }
    return make_tensor(array, tensor);
  }

  QueueEstimator::Call call_;
};

class Host {
 public:
  Host(std::string name, std::vector<std::string> services, std::string host, std::uint16_t port, std::size_t max_body,
       bool plaintext, std::string cert_file, std::string key_file, std::string client_ca_file, std::string token_file,
       int runners)
      : name_(std::move(name)), runners_(runners) {
    inference::ModelServerOptions options;
    options.services = std::move(services);
    options.json_model = name_;
    options.server.host = std::move(host);
    options.server.port = port;
    options.server.max_body = max_body;
    options.server.plaintext_beyond_loopback = plaintext;
    options.server.tls.cert_file = std::move(cert_file);
    options.server.tls.key_file = std::move(key_file);
    options.server.tls.client_ca_file = std::move(client_ca_file);
    options.server.token_file = std::move(token_file);
    server_ = std::make_unique<inference::ModelServer>(std::move(options), registry_);
  }
  ~Host() {
    const nb::gil_scoped_release unlocked;
    if (estimator_) estimator_->close();
    server_.reset();
  }

  void start() {
    const nb::gil_scoped_release unlocked;
    server_->start();
  }
  /// From here on requests are taken; next() gives them.
  void serve() {
    inference::ModelMetadata metadata;
    metadata.name = name_;
    metadata.platform = "python";
    inference::QueueEstimatorOptions options;
    options.runners = runners_;
    estimator_ = std::make_shared<QueueEstimator>(std::move(metadata), options);
    server_->add(estimator_);
  }
  /// The next request; None at the timeout and when closed. Python's signal handlers run between two calls.
  Call* next(double seconds) {
    const auto timeout = std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
    std::optional<QueueEstimator::Call> call = [&] {
      const nb::gil_scoped_release unlocked;
      return estimator_->next(timeout);
    }();
    return call ? new Call(std::move(*call)) : nullptr;
  }
  bool closed() const { return !estimator_ || estimator_->closed(); }
  /// Refuses new requests, waits for those under way (somebody must go on calling next()), then ends.
  void drain() {
    const nb::gil_scoped_release unlocked;
    server_->drain();
    if (estimator_) estimator_->close();
  }
  void stop() {
    const nb::gil_scoped_release unlocked;
    if (estimator_) estimator_->close();
    server_->stop();
  }
  std::uint16_t port() const { return server_->port(); }
  std::string origin() const { return server_->origin(); }

 private:
  std::string name_;
  int runners_;
  metrics::Registry registry_;
  std::shared_ptr<QueueEstimator> estimator_;
  std::unique_ptr<inference::ModelServer> server_;
};

}  // namespace

void bind_server(nb::module_& m) {
  nb::class_<Call>(m, "ServerCall", "One request to the model.")
      .def_prop_ro("is_json", &Call::is_json)
      .def_prop_ro("callback", &Call::callback)
      .def_prop_ro("request_id", &Call::request_id)
      .def_prop_ro("abandoned", &Call::abandoned)
      .def("data", &Call::data)
      .def("complete", &Call::complete, nb::arg().none())
      .def("fail", &Call::fail, nb::arg("message"), nb::arg("refused") = false);
  nb::class_<Host>(m, "ServerHost", "The model server with a queue that Python empties.")
      .def(nb::init<std::string, std::vector<std::string>, std::string, std::uint16_t, std::size_t, bool, std::string,
                    std::string, std::string, std::string, int>(),
           nb::arg("name"), nb::arg("services"), nb::arg("host"), nb::arg("port"), nb::arg("max_body"),
           nb::arg("plaintext"), nb::arg("cert_file"), nb::arg("key_file"), nb::arg("client_ca_file"),
           nb::arg("token_file"), nb::arg("runners"))
      .def("start", &Host::start)
      .def("serve", &Host::serve)
      .def("next", &Host::next, nb::arg("seconds"), nb::rv_policy::take_ownership)
      .def("drain", &Host::drain)
      .def("stop", &Host::stop)
      .def_prop_ro("closed", &Host::closed)
      .def_prop_ro("port", &Host::port)
      .def_prop_ro("origin", &Host::origin);
  m.def("json_services", &inference::json_services, nb::arg("job_name"), nb::arg("service_name"));
}

}  // namespace sedna::python
