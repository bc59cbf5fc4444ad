// Small files of the agent's state: written whole or not at all, read as JSON. Internal to node.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sedna/json/json.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

/// Replaces the file by rename. Throws Error with the path as subject. `durable`: also survives a power cut.
void write_file(const Path& path, std::string_view text, unsigned mode = 0600, bool durable = false);
/// The content, or nothing when it is not there or cannot be read.
std::optional<std::string> read_file(const Path& path);
/// As JSON object; nothing also when it is damaged (our own files are never half written: then they are not ours).
std::optional<json::object> read_json(const Path& path);
/// Makes the folder and those above it, mode 0700 for the last. Throws Error.
void make_folder(const Path& path, unsigned mode = 0700);
/// Removes a folder with all it holds; never follows links, never leaves the file system. What cannot be removed is
/// named in the answer; "" when all is gone.
std::string remove_folder(const Path& path);

}  // namespace sedna::node
