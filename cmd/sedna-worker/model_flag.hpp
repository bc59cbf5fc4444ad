// How a model is named on the command line and in the environment: NAME=FILE, FILE, or a folder that holds one file.
#pragma once

#include <string>
#include <utility>

namespace sedna::worker_program {

/// NAME=FILE, or FILE alone (the name is then empty: the model is named after its file). Throws Error naming --model.
std::pair<std::string, std::string> split_model(const std::string& text);

/// A folder stands for the one .onnx file in it (storage initializers download into folders). Throws Error.
std::string model_file(const std::string& path);

}  // namespace sedna::worker_program
