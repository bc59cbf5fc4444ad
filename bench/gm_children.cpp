// The yardstick of gm_1000_services: writes the children of N services with 32 requests at a time and nothing else; the
// same bodies by the same client with the same credentials as GM's.
//
//   gm_children KUBECONFIG N   →   {"seconds": …}
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "sedna/gm/joint_inference_plan.hpp"
#include "sedna/json/yaml.hpp"
#include "sedna/store/kube/kube_client.hpp"

namespace {

using namespace sedna;

api::Object service_of(int i) {
  const std::string name = "s" + std::to_string(i);
  api::Object out = api::new_object(api::kinds::kJointInferenceService, "default", name);
  out["metadata"].get_object()["uid"] = "00000000-0000-4000-8000-" + std::to_string(100000000000 + i);
  const auto worker = [](const char* container, const char* node) {
    json::object c{{"name", container}, {"image", std::string(container) + ":v1"}};
    json::object spec{{"nodeName", node}};
    spec["containers"] = json::array{std::move(c)};
    json::object pod;
    pod["spec"] = std::move(spec);
    json::object out_worker;
    out_worker["template"] = std::move(pod);
    return out_worker;
  };
  json::object spec;
  spec["edgeWorker"] = worker("little", "edge0");
  spec["edgeWorker"].get_object()["hardExampleMining"] = json::object{{"name", "IBT"}};
  spec["cloudWorker"] = worker("big", "cloud0");
  out["spec"] = std::move(spec);
  return out;
}

void write_children(store::ApiServer& server, int i) {
  const api::Object service = service_of(i);
  gm::ModelAccess model;
  model.url = "/models/small/model.onnx";
  const auto made = [](store::Outcome<api::Object> outcome) { outcome.value(); };
  made(server.create(api::kinds::kDeployment,
                     gm::plan_deployment(service, gm::Role::kCloud, model, {}, std::nullopt, true)));
  made(server.create(api::kinds::kService, gm::plan_service(service)));
  made(server.create(api::kinds::kDeployment,
                     gm::plan_deployment(service, gm::Role::kEdge, model, {}, std::nullopt, true)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    store::KubeConfigOptions where;
    where.file = argv[1];
    constexpr int kThreads = 32;
    store::KubeClientOptions options;
    options.max_idle_connections = kThreads;
    store::KubeClient client(store::load_kube_config(where), options);
    const int count = std::atoi(argv[2]);
    std::atomic<int> next{0};
    std::atomic<bool> failed{false};
    const auto begin = SteadyClock::now();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        try {
          for (int i = next++; i < count && !failed; i = next++) write_children(client, i);
        } catch (const std::exception& e) {
          std::fprintf(stderr, "%s\n", e.what());
          failed = true;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    std::printf("{\"seconds\": %.6f}\n", std::chrono::duration<double>(SteadyClock::now() - begin).count());
    return failed ? 1 : 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
