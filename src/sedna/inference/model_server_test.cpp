#include "sedna/inference/model_server.hpp"

#include <zlib.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/inference/queue_estimator.hpp"
#include "sedna/json/json.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/tensor/oip.hpp"

namespace sedna::inference {
namespace {

using namespace std::chrono_literals;
using tensor::DType;
using tensor::Tensor;
using ::testing::HasSubstr;

/// y = 2x over FP32 [-1, 2], with switches for what a test wants to see.
class Doubling : public Estimator {
 public:
  explicit Doubling(std::string name = "twice", int max_batch = 0) {
    metadata_.name = std::move(name);
    metadata_.platform = "cpp";
    metadata_.inputs = {{"x", DType::kFp32, {-1, 2}}};
    metadata_.outputs = {{"y", DType::kFp32, {-1, 2}}};
    metadata_.max_batch_size = max_batch;
  }
  const ModelMetadata& metadata() const override { return metadata_; }
  std::vector<Tensor> infer(std::span<const Tensor> inputs, Deadline) override {
    if (before) before();
    if (watch) watch(inputs[0]);
    const auto in = inputs[0].as<float>();
    AlignedBuffer buffer(in.size() * sizeof(float));
    for (std::size_t i = 0; i < in.size(); ++i) reinterpret_cast<float*>(buffer.data())[i] = factor * in[i];
    largest = std::max<std::int64_t>(largest, inputs[0].shape[0]);
    return {Tensor{"y", DType::kFp32, inputs[0].shape, std::move(buffer).freeze()}};
  }
  bool run_inline() const override { return quick; }
  std::function<void()> before;
  std::function<void(const Tensor&)> watch;
  float factor = 2;
  bool quick = false;
  std::atomic<std::int64_t> largest{0};

 private:
  ModelMetadata metadata_;
};

class Served {
 public:
  explicit Served(EstimatorPtr model, ModelServerOptions options = {}) {
    options.server.access_log = false;
    server = std::make_unique<ModelServer>(std::move(options), registry);
    if (model) server->add(std::move(model));
    server->start();
    client = std::make_unique<net::HttpClient>(server->origin());
  }
  net::HttpResponse ask(std::string method, std::string target, std::string body = {}, net::Headers headers = {}) {
    net::HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers = std::move(headers);
    if (!body.empty()) request.body.push_back(Bytes::from_string(std::move(body)));
    auto outcome = client->exchange(request, Deadline::after(20s));
    if (!outcome.response) throw Error(outcome.failure->error);
    return std::move(*outcome.response);
  }
  std::string text(std::string method, std::string target, std::string body = {}, net::Headers headers = {}) {
    const auto response = ask(std::move(method), std::move(target), std::move(body), std::move(headers));
    return std::to_string(response.status) + " " + std::string(response.body.text());
  }
  metrics::Registry registry;
  std::unique_ptr<ModelServer> server;
  std::unique_ptr<net::HttpClient> client;
};

const net::Headers kJson = {{"Content-Type", "application/json"}};
constexpr const char* kOneRow = R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2.5]}]})";

std::string binary_request(const std::vector<float>& values, std::string* head_length, std::int64_t rows = 1) {
  const std::string json = R"({"inputs":[{"name":"x","datatype":"FP32","shape":[)" + std::to_string(rows) +
                           R"(,2],"parameters":{"binary_data_size":)" + std::to_string(values.size() * 4) +
                           R"(}}],"parameters":{"binary_data_output":true}})";
  *head_length = std::to_string(json.size());
  return json + std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4);
}

// JI-2.1
TEST(ModelServer, OipHealthAndDocuments) {
  Served s(std::make_shared<Doubling>());
  EXPECT_EQ(s.text("GET", "/v2/health/live"), "200 ");
  EXPECT_EQ(s.text("GET", "/v2/health/ready"), "200 ");
  EXPECT_EQ(s.text("GET", "/v2/models/twice/versions/1/ready"), "200 ");
  EXPECT_EQ(s.ask("GET", "/v2/models/none/ready").status, 400);
  EXPECT_THAT(s.text("GET", "/v2"), HasSubstr(R"("extensions":["binary_tensor_data")"));
  EXPECT_EQ(
      s.text("GET", "/v2/models/twice"),
      R"(200 {"name":"twice","versions":["1"],"platform":"cpp","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],)"
      R"("outputs":[{"name":"y","datatype":"FP32","shape":[-1,2]}]})");
  EXPECT_THAT(s.text("GET", "/v2/models/twice/config"), HasSubstr(R"("data_type":"TYPE_FP32","dims":[-1,2])"));
  EXPECT_THAT(s.text("GET", "/v2/models/none"),
              HasSubstr(R"(404 {"error":"model 'none' is not known; loaded: twice"})"));
  EXPECT_EQ(s.ask("GET", "/v2/models/twice/versions/9").status, 404);
  EXPECT_EQ(s.ask("GET", "/v2/logging").status, 501);
  EXPECT_EQ(s.ask("POST", "/v2/systemsharedmemory/region/x/register", "{}").status, 501);
  EXPECT_EQ(s.ask("POST", "/v2/repository/models/m/load").status, 501);
  EXPECT_THAT(s.text("GET", "/v2/models/twice/infer"), HasSubstr("405 {\"error\""));
  EXPECT_THAT(s.text("GET", "/v2/nope"), HasSubstr("404 {\"error\""));
}

// JI-1.13
TEST(ModelServer, NotReadyWithoutAModel) {
  Served s(nullptr);
  EXPECT_EQ(s.ask("GET", "/v2/health/ready").status, 400);
  EXPECT_EQ(s.ask("POST", "/sedna/predict", R"({"data":[]})", kJson).status, 503);
  s.server->add(std::make_shared<Doubling>());
  EXPECT_EQ(s.ask("GET", "/v2/health/ready").status, 200);
}

// JI-2.2
TEST(ModelServer, InfersJsonAndBinaryInlineAndQueued) {
  for (const bool quick : {false, true}) {
    auto model = std::make_shared<Doubling>();
    model->quick = quick;
    Served s(model);
    EXPECT_EQ(
        s.text("POST", "/v2/models/twice/infer", kOneRow),
        R"(200 {"model_name":"twice","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[2.0,5.0]}]})");
    std::string length;
    const std::string body = binary_request({1, -4}, &length);
    const auto response =
        s.ask("POST", "/v2/models/twice/versions/1/infer", body, {{"Inference-Header-Content-Length", length}});
    ASSERT_EQ(response.status, 200) << response.body.text();
    const std::size_t head =
        std::strtoul(std::string(response.headers.get("Inference-Header-Content-Length")).c_str(), nullptr, 10);
    const auto decoded = tensor::oip::decode_response(response.body, head);
    ASSERT_TRUE(decoded);
    EXPECT_THAT(decoded->outputs[0].as<float>(), ::testing::ElementsAre(2, -8));
  }
}

// JI-2.2
TEST(ModelServer, TensorsBehindTheJsonPartAreAlignedWithoutACopy) {
  auto model = std::make_shared<Doubling>();
  const void* seen = nullptr;
  model->watch = [&seen](const Tensor& t) { seen = t.data.data(); };
  Served s(model);
  for (const char* id : {"", "a", "bb", "ccc"}) {  // the JSON part gets every length
    std::string length;
    std::string body = binary_request({1, -4}, &length);
    body.insert(1, R"("id":")" + std::string(id) + "\",");
    length = std::to_string(body.size() - 8);
    const auto answer = s.ask("POST", "/v2/models/twice/infer", body, {{"Inference-Header-Content-Length", length}});
    ASSERT_EQ(answer.status, 200) << answer.body.text();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(seen) % kBufferAlignment, 0U) << length;
  }
}

// JI-2.3
TEST(ModelServer, RawRequestIsTheOneInput) {
  Served s(std::make_shared<Doubling>("twice", 4));
  const float values[] = {1, 2};
  const std::string body(reinterpret_cast<const char*>(values), sizeof values);
  EXPECT_EQ(s.ask("POST", "/v2/models/twice/infer", body, {{"Inference-Header-Content-Length", "0"}}).status, 200);
  EXPECT_EQ(s.ask("POST", "/v2/models/twice/infer", body + "x", {{"Inference-Header-Content-Length", "0"}}).status,
            400);
}

std::string deflated(std::string_view text, int bits) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, text.size()) + 32, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// JI-2.3
TEST(ModelServer, CompressedBodiesAreInflatedUpToTheLimit) {
  ModelServerOptions options;
  options.server.max_body = 64 * 1024;
  Served s(std::make_shared<Doubling>(), options);
  const auto ask = [&](std::string body, const char* encoding) {
    return s.ask("POST", "/v2/models/twice/infer", std::move(body), {{"Content-Encoding", encoding}}).status;
  };
  EXPECT_EQ(ask(deflated(kOneRow, 31), "gzip"), 200);
  EXPECT_EQ(ask(deflated(kOneRow, 15), "deflate"), 200);
  EXPECT_EQ(ask(deflated(kOneRow, -15), "deflate"), 200);
  EXPECT_EQ(ask(deflated(kOneRow, 31).substr(0, 30), "gzip"), 400);
  EXPECT_EQ(ask(deflated(kOneRow, 31) + "more", "gzip"), 400);
  EXPECT_EQ(ask(kOneRow, "gzip"), 400);
  EXPECT_EQ(ask(kOneRow, "br"), 400);
  EXPECT_EQ(ask(deflated(std::string(10'000'000, ' '), 31), "gzip"), 413);  // a bomb
}

/// Anything malformed is the client's fault, is told so, and the server goes on.
// JI-2.10, JI-7.9
TEST(ModelServer, MalformedRequestsGet4xx) {
  Served s(std::make_shared<Doubling>());
  const std::string bodies[] = {
      "",
      "{",
      "[]",
      "null",
      "{}",
      R"({"inputs":{}})",
      R"({"inputs":[]})",
      R"({"inputs":[1]})",
      R"({"inputs":[{"name":"x"}]})",
      R"({"inputs":[{"name":"x","datatype":"FP99","shape":[1,2],"data":[1,2]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2,3]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":["a","b"]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2],"data":[1,2]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[4611686018427387904,4611686018427387904],"data":[]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]})",
      R"({"inputs":[{"name":"x","datatype":"INT64","shape":[1,2],"data":[1,2]}]})",
      R"({"inputs":[{"name":"z","datatype":"FP32","shape":[1,2],"data":[1,2]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]},{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}],"outputs":[{"name":"nope"}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]})",
      std::string(5000, '['),
  };
  for (const std::string& body : bodies) {
    const auto response = s.ask("POST", "/v2/models/twice/infer", body);
    EXPECT_GE(response.status, 400) << body.substr(0, 100);
    EXPECT_LT(response.status, 500) << body.substr(0, 100);
    EXPECT_THAT(std::string(response.body.text()), ::testing::StartsWith("{\"error\":\"")) << body.substr(0, 100);
  }
  for (const char* length : {"-1", "x", "99999999999999999999", "1000000", "3"}) {
    const auto response =
        s.ask("POST", "/v2/models/twice/infer", kOneRow, {{"Inference-Header-Content-Length", length}});
    EXPECT_EQ(response.status, 400) << length;
  }
  EXPECT_EQ(s.ask("POST", "/v2/models/twice/infer", kOneRow).status, 200);
}

// JI-2.4
TEST(ModelServer, JsonRouteServesANumericModel) {
  Served s(std::make_shared<Doubling>());
  EXPECT_EQ(s.text("POST", "/sedna/predict", R"({"data": [[1, 2], [3, 4.5]]})", kJson),
            R"(200 {"result":[[2.0,4.0],[6.0,9.0]]})");
  EXPECT_THAT(s.text("POST", "/sedna/predict", R"({"data": [[1, 2], [3]]})", kJson),
              HasSubstr("422 {\"detail\":[{\"loc\":[\"body\",\"data\"]"));
  EXPECT_EQ(s.ask("POST", "/sedna/predict", R"({"data": [[1, 2]], "callback": "f"})", kJson).status, 500);
  EXPECT_THAT(s.text("POST", "/sedna/predict", R"({"data": [[NaN, 2]]})", kJson), HasSubstr("500 {\"detail\":\""));
  EXPECT_EQ(s.ask("GET", "/other").status, 404);
}

// JI-2.4
TEST(ModelServer, AnswersUnderEveryServiceName) {
  EXPECT_EQ(json_services("sedna", ""), (std::vector<std::string>{"sedna"}));
  ModelServerOptions options;
  options.services = json_services("job", "service");
  Served s(std::make_shared<Doubling>(), options);
  for (const char* name : {"/sedna", "/job", "/service"}) {
    EXPECT_THAT(s.text("GET", name), HasSubstr(std::string("200 {\"infos\":[{\"path\":\"") + name + "\""));
    EXPECT_EQ(s.ask("POST", std::string(name) + "/predict", R"({"data": [[1, 2]]})", kJson).status, 200);
  }
}

// JI-2.6
TEST(ModelServer, FullQueueIs503WithRetryAfter) {
  auto model = std::make_shared<Doubling>();
  std::mutex gate;
  gate.lock();
  std::atomic<int> running{0};
  model->before = [&] {
    ++running;
    running.notify_all();
    const std::lock_guard lock(gate);
  };
  ModelServerOptions options;
  options.serving.max_queue = 1;
  Served s(model, options);
  std::vector<std::thread> clients;
  clients.emplace_back([&] { EXPECT_EQ(s.ask("POST", "/v2/models/twice/infer", kOneRow).status, 200); });
  running.wait(0);
  clients.emplace_back([&] { EXPECT_EQ(s.ask("POST", "/v2/models/twice/infer", kOneRow).status, 200); });
  while (s.server->models().find("twice")->queue().waiting() == 0) std::this_thread::yield();
  const auto refused = s.ask("POST", "/v2/models/twice/infer", kOneRow);
  EXPECT_EQ(refused.status, 503);
  EXPECT_GE(std::atoi(std::string(refused.headers.get("Retry-After")).c_str()), 1);
  // The server's own timeout, in microseconds, while the model is busy: nothing was executed, so 503 again.
  gate.unlock();
  for (auto& t : clients) t.join();
  EXPECT_THAT(s.registry.render(),
              HasSubstr(R"(nv_inference_request_failure{model="twice",version="1",reason="REJECTED"} 1)"));
}

// JI-2.6
TEST(ModelServer, TimeoutOfTheRequestIsKept) {
  auto model = std::make_shared<Doubling>();
  std::mutex gate;
  gate.lock();
  model->before = [&] { const std::lock_guard lock(gate); };
  Served s(model);
  const std::string timed =
      R"({"parameters":{"timeout":20000},"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]})";
  EXPECT_EQ(s.ask("POST", "/v2/models/twice/infer", timed).status, 504);  // it was running
  EXPECT_EQ(s.ask("POST", "/v2/models/twice/infer", timed).status, 503);  // it was waiting
  gate.unlock();
}

// JI-2.7
TEST(ModelServer, WaitingRequestsAreBatched) {
  auto model = std::make_shared<Doubling>("twice", 8);
  std::mutex gate;
  gate.lock();
  std::atomic<int> running{0};
  model->before = [&] {
    ++running;
    running.notify_all();
    const std::lock_guard lock(gate);
  };
  Served s(model);
  const auto ask = [&] { EXPECT_THAT(s.text("POST", "/v2/models/twice/infer", kOneRow), HasSubstr("[2.0,5.0]")); };
  std::vector<std::thread> clients;
  clients.emplace_back(ask);
  running.wait(0);
  for (int i = 0; i < 3; ++i) clients.emplace_back(ask);
  while (s.server->models().find("twice")->queue().waiting() < 3) std::this_thread::yield();
  gate.unlock();
  for (auto& t : clients) t.join();
  EXPECT_EQ(model->largest, 3);
  EXPECT_THAT(s.text("GET", "/v2/models/twice/stats"), HasSubstr(R"("inference_count":4,"execution_count":2)"));
}

// JI-2.9
TEST(ModelServer, AModelThatThrowsIs500AndSaysWhy) {
  auto model = std::make_shared<Doubling>();
  model->before = [] { throw std::runtime_error("out of luck"); };
  Served s(model);
  EXPECT_THAT(s.text("POST", "/v2/models/twice/infer", kOneRow),
              HasSubstr("500 {\"error\":\"the model failed: out of luck\"}"));
  EXPECT_THAT(s.text("POST", "/sedna/predict", R"({"data": [[1, 2]]})", kJson),
              HasSubstr("500 {\"detail\":\"the model failed"));
}

// JI-2.8
TEST(ModelServer, ReplacingAModelLosesNoRequest) {
  Served s(std::make_shared<Doubling>());
  std::atomic<bool> stop{false};
  std::atomic<int> asked{0};
  std::thread client([&] {
    while (!stop) {
      ASSERT_EQ(s.ask("POST", "/v2/models/twice/infer", kOneRow).status, 200);
      ++asked;
      asked.notify_all();
    }
  });
  for (int i = 0; i < 20; ++i) {
    auto next = std::make_shared<Doubling>();
    next->factor = static_cast<float>(i);
    s.server->add(next);
    asked.wait(asked.load());
  }
  stop = true;
  client.join();
  EXPECT_THAT(s.text("POST", "/v2/models/twice/infer", kOneRow), HasSubstr("[19.0,47.5]"));
}

// JI-2.8, JI-6.9
TEST(ModelServer, DrainFinishesWhatIsUnderWay) {
  auto model = std::make_shared<Doubling>();
  std::atomic<int> running{0};
  std::mutex gate;
  gate.lock();
  model->before = [&] {
    ++running;
    running.notify_all();
    const std::lock_guard lock(gate);
  };
  Served s(model);
  std::thread client([&] { EXPECT_EQ(s.ask("POST", "/v2/models/twice/infer", kOneRow).status, 200); });
  running.wait(0);
  std::thread drain([&] { s.server->drain(); });
  gate.unlock();
  client.join();
  drain.join();
}

/// Takes anything, as Python objects do.
ModelMetadata python_model(std::string name) {
  ModelMetadata m;
  m.name = std::move(name);
  m.platform = "python";
  return m;
}

/// Plays upstream's user code of the recordings on a thread of its own, as the Python binding does.
void play(QueueEstimator& model, const std::string& behaviour) {
  while (auto call = model.next(1h)) {
    if (behaviour == "raise") {
      call->fail(Error(ErrorCode::kInternal, "RuntimeError: no luck"));
      continue;
    }
    if (behaviour == "dict") {
      call->complete_json(R"({"boxes": []})");
      continue;
    }
    const auto data = json::parse(call->json(), json::python_options());
    if (behaviour == "echo") {
      if (call->json().find("NaN") != std::string_view::npos) {
        call->fail(Error(ErrorCode::kInternal, "ValueError: Out of range float values are not JSON compliant"));
        continue;
      }
      // Integers beyond 64 bits are Python's business; the text of the list is the same but for its spaces and 1e300.
      std::string text(call->json());
      std::erase(text, ' ');
      if (const auto at = text.find("1e300"); at != std::string::npos) text.replace(at, 5, "1e+300");
      call->complete_json(text);
      continue;
    }
    double sum = 0;
    int n = 0;
    bool numbers = true;
    std::function<void(const json::value&)> walk = [&](const json::value& v) {
      if (v.is_array()) {
        for (const auto& e : v.get_array()) walk(e);
      } else if (v.is_number()) {
        sum += v.to_number<double>();
        ++n;
      } else {
        numbers = false;
      }
    };
    walk(*data);
    const bool first_only = call->callback() == "first_only";
    if (!numbers || n == 0 || !std::isfinite(sum) || (call->callback() && !call->callback()->empty() && !first_only)) {
      call->fail(Error(ErrorCode::kInternal, "ValueError: no"));
      continue;
    }
    std::string text = "[[0.0,0.0,10.0,10.0,0.99,1]";
    if (!first_only) {
      text += ",[1.0,1.0,5.0,5.0,0.9,";
      json::append_number(text, sum / n);
      text += "]";
    }
    call->complete_json(text + "]");
  }
}

// JI-2.4
TEST(ModelServer, ReplaysUpstreamsRecordedAnswers) {
  std::ifstream file(std::string(SEDNA_SOURCE_DIR) + "/tests/compat/vectors/server_json.json");
  std::stringstream text;
  text << file.rdbuf();
  const auto document = json::parse(text.str());
  ASSERT_TRUE(document) << document.error().what();
  int replayed = 0;
  for (const std::string behaviour : {"boxes", "dict", "raise", "echo"}) {
    auto model = std::make_shared<QueueEstimator>(python_model("big"));
    Served s(model);
    std::thread user([&] { play(*model, behaviour); });
    for (const auto& entry : document->at("cases").as_array()) {
      const json::object& c = entry.as_object();
      if (c.at("model").as_string() != behaviour) continue;
      net::Headers headers;
      if (const auto* given = c.if_contains("headers")) {
        for (const auto& [k, v] : given->as_object()) headers.add(std::string(k), std::string(v.as_string()));
      }
      const auto* body = c.if_contains("body");
      const auto response = s.ask(std::string(c.at("method").as_string()), std::string(c.at("path").as_string()),
                                  body != nullptr && body->is_string() ? std::string(body->as_string()) : "", headers);
      const std::string what = json::write(c);
      EXPECT_EQ(response.status, c.at("status").as_int64()) << what << "\n" << response.body.text();
      if (const auto* type = c.if_contains("content_type")) {
        EXPECT_EQ(response.headers.get("Content-Type"), type->as_string()) << what;
      }
      if (const auto* answer = c.if_contains("answer")) {
        EXPECT_EQ(response.body.text(), answer->as_string()) << what;
      }
      if (const auto* expected = c.if_contains("answer_headers")) {
        for (const auto& [k, v] : expected->as_object()) {
          std::string value(v.as_string());
          if (const auto at = value.find("<authority>"); at != std::string::npos) {
            value.replace(at, 11, s.server->origin().substr(7));
          }
          EXPECT_EQ(response.headers.get(k), value) << what;
        }
      }
      ++replayed;
    }
    model->close();
    user.join();
  }
  EXPECT_EQ(replayed, 37);
}

// JI-3.4
TEST(ModelServer, OipOnAPythonModelHandsTensorsOver) {
  auto model = std::make_shared<QueueEstimator>(python_model("big"));
  Served s(model);
  std::thread user([&] {
    while (auto call = model->next(1h)) {
      EXPECT_FALSE(call->is_json());
      call->complete_json(R"([{"label":"cat"}])");
    }
  });
  EXPECT_EQ(s.text("POST", "/v2/models/big/infer", kOneRow),
            R"(200 {"model_name":"big","model_version":"1","parameters":{"content_type":"json"},)"
            R"("outputs":[{"name":"result","datatype":"BYTES","shape":[1],"data":["[{\"label\":\"cat\"}]"]}]})");
  model->close();
  user.join();
}

}  // namespace
}  // namespace sedna::inference
