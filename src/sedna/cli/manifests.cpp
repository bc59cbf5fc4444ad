#include "sedna/cli/manifests.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "sedna/base/error.hpp"
#include "sedna/json/yaml.hpp"
#include "sedna/net/http_client.hpp"

namespace sedna::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxManifest = std::size_t{8} << 20;

std::string read_stream(std::istream& in, const std::string& source) {
  std::string text;
  char buffer[65536];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(in.gcount()));
    if (text.size() > kMaxManifest) {
      throw Error(ErrorCode::kResourceExhausted, "is larger than 8 MiB, which no manifest is", source);
    }
  }
  if (in.bad()) throw Error(ErrorCode::kUnavailable, "cannot be read", source);
  return text;
}

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    std::error_code error;
    const bool there = fs::exists(file, error);
    throw Error(there ? ErrorCode::kPermissionDenied : ErrorCode::kNotFound,
                there ? "cannot be read" : "there is no such file or folder", file.string());
  }
  return read_stream(in, file.string());
}

bool is_manifest_name(const fs::path& file) {
  const auto ext = file.extension();
  return ext == ".yaml" || ext == ".yml" || ext == ".json";
}

std::vector<fs::path> files_in(const fs::path& folder, bool recursive) {
  std::vector<fs::path> out;
  std::error_code error;
  const auto add = [&](const fs::directory_entry& entry) {
    if (entry.is_regular_file() && is_manifest_name(entry.path())) out.push_back(entry.path());
  };
  if (recursive) {
    for (const auto& entry : fs::recursive_directory_iterator(folder, error)) add(entry);
  } else {
    for (const auto& entry : fs::directory_iterator(folder, error)) add(entry);
  }
  if (error) throw Error(ErrorCode::kPermissionDenied, "cannot be read: " + error.message(), folder.string());
  if (out.empty()) throw Error(ErrorCode::kNotFound, "holds no .yaml, .yml or .json file", folder.string());
  std::sort(out.begin(), out.end());
  return out;
}

std::string fetch(const std::string& url) {
  net::HttpClientOptions options;
  options.max_response_body = kMaxManifest;
  const auto answer = net::http_get(url, Deadline::after(std::chrono::seconds(30)), options);
  if (answer.status != 200) {
    throw Error(error_code_from_http(answer.status), "answered " + std::to_string(answer.status), url);
  }
  return std::string(answer.body.text());
}

void add_object(std::vector<Manifest>& out, json::value&& content, const std::string& source) {
  if (!content.is_object()) {
    throw Error(ErrorCode::kInvalidArgument,
                "is " + std::string(json::kind_name(content)) + ", not an object with apiVersion, kind and metadata",
                source);
  }
  json::object& object = content.as_object();
  if (api::kind_of(object).empty()) throw Error(ErrorCode::kInvalidArgument, "kind is missing", source);
  if (api::api_version_of(object).empty()) throw Error(ErrorCode::kInvalidArgument, "apiVersion is missing", source);
  json::value* items = object.if_contains("items");
  if (api::kind_of(object).ends_with("List") && items != nullptr && items->is_array()) {
    std::size_t number = 0;
    for (auto& item : items->as_array()) {
      add_object(out, std::move(item), source + " (item " + std::to_string(++number) + ")");
    }
    return;
  }
  out.push_back({std::move(object), source});
}

}  // namespace

std::vector<Manifest> parse_manifests(const std::string& text, const std::string& source) {
  json::YamlOptions options;
  options.refuse_duplicates = true;
  auto documents = json::parse_yaml_documents(text, options);
  if (!documents) throw documents.error().within(source);
  std::vector<Manifest> out;
  for (auto& document : *documents) {
    if (document.content.is_null()) continue;
    const std::string where =
        documents->size() == 1 ? source : source + " (line " + std::to_string(document.line) + ")";
    add_object(out, std::move(document.content), where);
  }
  return out;
}

std::vector<Manifest> read_manifests(const std::vector<std::string>& names, bool recursive,
                                     std::istream& standard_input) {
  std::vector<Manifest> out;
  const auto add = [&](const std::string& text, const std::string& source) {
    auto some = parse_manifests(text, source);
    std::move(some.begin(), some.end(), std::back_inserter(out));
  };
  for (const auto& name : names) {
    std::error_code error;
    if (name == "-") {
      add(read_stream(standard_input, "standard input"), "standard input");
    } else if (name.starts_with("http://") || name.starts_with("https://")) {
      add(fetch(name), name);
    } else if (fs::is_directory(name, error)) {
      for (const auto& file : files_in(name, recursive)) add(read_file(file), file.string());
    } else {
      add(read_file(name), name);
    }
  }
  if (out.empty()) throw Error(ErrorCode::kInvalidArgument, "holds no object", names.empty() ? "-f" : names.front());
  return out;
}

}  // namespace sedna::cli
