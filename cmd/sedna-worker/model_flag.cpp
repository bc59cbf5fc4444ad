#include "model_flag.hpp"

#include <filesystem>
#include <system_error>
#include <vector>

#include "sedna/base/error.hpp"

namespace sedna::worker_program {

std::pair<std::string, std::string> split_model(const std::string& text) {
  const auto equals = text.find('=');
  std::pair<std::string, std::string> out = equals == std::string::npos
                                                ? std::pair<std::string, std::string>{"", text}
                                                : std::pair{text.substr(0, equals), text.substr(equals + 1)};
  if (equals == 0 || out.second.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "expected NAME=FILE.onnx, got '" + text + "'", "--model");
  }
  return out;
}

std::string model_file(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ec;
  if (!fs::is_directory(path, ec)) return path;
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(path, ec)) {
    if (entry.path().extension() == ".onnx") found.push_back(entry.path().string());
  }
  if (ec) throw Error(ErrorCode::kInvalidArgument, "cannot be listed: " + ec.message(), path);
  if (found.size() != 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "is a folder with " + std::to_string(found.size()) + " .onnx files; name the one to use", path);
  }
  return found.front();
}

}  // namespace sedna::worker_program
