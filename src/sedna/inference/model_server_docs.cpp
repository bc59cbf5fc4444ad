// What upstream's web framework offers beside the routes: a description of them. Ours is written here and loads nothing
// from elsewhere.
#include <utility>

#include "sedna/inference/model_server_impl.hpp"
#include "sedna/json/json.hpp"

namespace sedna::inference {

using serve::Request;
using serve::Response;

namespace {

json::object operation(std::string_view summary, std::string_view answer) {
  return {{"summary", summary}, {"responses", json::object{{"200", json::object{{"description", answer}}}}}};
}

std::string openapi(const std::vector<std::string>& services) {
  json::object paths;
  json::object body = {
      {"required", true},
      {"content",
       json::object{
           {"application/json",
            json::object{{"schema", json::object{{"type", "object"},
                                                 {"required", json::array{"data"}},
                                                 {"properties",
                                                  json::object{{"data", json::object{{"type", "array"},
                                                                                     {"items", json::object{}}}},
                                                               {"callback", json::object{{"type", "string"}}}}}}}}}}}};
  for (const std::string& service : services) {
    json::object predict = operation("Runs the model on data", "{\"result\": [...]}");
    predict["requestBody"] = body;
    paths["/" + service] = json::object{{"get", operation("The routes of this service", "{\"infos\": [...]}")}};
    paths["/" + service + "/predict"] = json::object{{"post", std::move(predict)}};
  }
  paths["/v2"] =
      json::object{{"get", operation("Server metadata (Open Inference Protocol v2)", "name, version, extensions")}};
  paths["/v2/health/live"] = json::object{{"get", operation("Alive", "nothing")}};
  paths["/v2/health/ready"] = json::object{{"get", operation("A model is loaded", "nothing")}};
  paths["/v2/models/{model}"] = json::object{{"get", operation("Model metadata", "inputs and outputs")}};
  paths["/v2/models/{model}/infer"] =
      json::object{{"post", operation("Runs the model: JSON, or JSON and raw tensors", "outputs")}};
  return json::write(json::object{{"openapi", "3.0.2"},
                                  {"info", json::object{{"title", "Sedna inference"}, {"version", "0.1.0"}}},
                                  {"paths", std::move(paths)}});
}

std::string page(const std::vector<std::string>& services) {
  std::string html =
      "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Sedna inference</title></head><body>\n"
      "<h1>Sedna inference</h1>\n<p>Machine-readable: <a href=\"/openapi.json\">openapi.json</a></p>\n<ul>\n";
  for (const std::string& service : services) {
    html += "<li>POST /" + service + "/predict with {\"data\": [...]}</li>\n";
  }
  html += "<li>POST /v2/models/{model}/infer (Open Inference Protocol v2)</li>\n</ul>\n</body></html>\n";
  return html;
}

net::Task<Response> constant(Request& request, std::shared_ptr<const std::string> text, std::string type) {
  Response response = request.method == "HEAD" ? Response::json(405, R"({"detail":"Method Not Allowed"})")
                                               : Response::text(200, *text, std::move(type));
  co_return response;
}

}  // namespace

void install_docs_routes(serve::Server& server, const std::vector<std::string>& services) {
  const auto add = [&server](const char* path, std::string text, const char* type) {
    auto shared = std::make_shared<const std::string>(std::move(text));
    server.route("GET", path, [shared, type](Request& request) { return constant(request, shared, type); });
  };
  add("/openapi.json", openapi(services), "application/json");
  for (const char* path : {"/docs", "/redoc", "/docs/oauth2-redirect"})
    add(path, page(services), "text/html; charset=utf-8");
}

}  // namespace sedna::inference
