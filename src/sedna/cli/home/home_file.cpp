#include "sedna/cli/home/home_file.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "sedna/api/object.hpp"
#include "sedna/base/error.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::cli::home {
namespace {

namespace fs = std::filesystem;

bool is_dns_label(std::string_view name) {
  if (name.empty() || name.size() > 63 || name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

Error wrong_nodes(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message) + " (as cloud0:cloud,edge0:edge)", "--nodes"};
}

/// The port bound, or 0 when it is taken.
std::uint16_t try_port(std::uint16_t port) {
  const storage::Descriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 0;
  socklen_t size = sizeof address;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

}  // namespace

std::vector<NodeSpec> parse_nodes(std::string_view text) {
  std::vector<NodeSpec> out;
  std::size_t from = 0;
  while (from <= text.size()) {
    std::size_t comma = text.find(',', from);
    if (comma == std::string_view::npos) comma = text.size();
    const std::string_view item = text.substr(from, comma - from);
    from = comma + 1;
    const std::size_t colon = item.find(':');
    NodeSpec node;
    node.name = item.substr(0, colon);
    if (!is_dns_label(node.name)) {
      throw wrong_nodes("'" + node.name + "' is no node name: small letters, digits and '-', at most 63");
    }
    node.role = colon == std::string_view::npos ? (node.name.starts_with("cloud") ? "cloud" : "edge")
                                                : std::string(item.substr(colon + 1));
    if (node.role != "cloud" && node.role != "edge") {
      throw wrong_nodes("'" + node.role + "' is no role; there are cloud and edge");
    }
    if (std::any_of(out.begin(), out.end(), [&](const NodeSpec& n) { return n.name == node.name; })) {
      throw wrong_nodes("'" + node.name + "' is named twice");
    }
    out.push_back(std::move(node));
  }
  return out;
}

std::string to_text(const std::vector<NodeSpec>& nodes) {
  std::string out;
  for (const auto& n : nodes) out += (out.empty() ? "" : ",") + n.name + ":" + n.role;
  return out;
}

std::optional<HomeFile> HomeFile::read(const Paths& paths) {
  std::error_code error;
  const fs::path file = paths.home_file();
  if (!fs::exists(file, error)) return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  const auto parsed = json::parse(text.str());
  if (!in || !parsed || !parsed->is_object()) {
    throw Error(ErrorCode::kDataLoss,
                "cannot be read; `sedna restore` puts a backup back, or begin anew with another --state",
                file.string());
  }
  const json::object& o = parsed->as_object();
  HomeFile out;
  out.schema_version = static_cast<int>(api::int_at(o, {"schemaVersion"}));
  if (out.schema_version > kSchemaVersion) {
    throw Error(ErrorCode::kInvalidArgument,
                "was made by a newer sedna (schema " + std::to_string(out.schema_version) + ", this one knows " +
                    std::to_string(kSchemaVersion) + "): use that one, or another --state",
                file.string());
  }
  out.port = static_cast<std::uint16_t>(api::int_at(o, {"port"}));
  const auto* given = o.if_contains("portGiven");
  out.port_given = given != nullptr && given->is_bool() && given->as_bool();
  out.link_port = static_cast<std::uint16_t>(api::int_at(o, {"linkPort"}));
  out.images = api::string_at(o, {"images"});
  out.service_range = api::string_at(o, {"serviceRange"});
  if (const auto* nodes = api::array_at(o, {"nodes"})) {
    for (const auto& n : *nodes) {
      if (!n.is_object()) continue;
      out.nodes.push_back(
          {std::string(api::string_at(n.as_object(), {"name"})), std::string(api::string_at(n.as_object(), {"role"}))});
    }
  }
  return out;
}

void HomeFile::write(const Paths& paths) const {
  json::array all;
  for (const auto& n : nodes) all.push_back({{"name", n.name}, {"role", n.role}});
  const json::object content{{"schemaVersion", schema_version}, {"port", port},     {"portGiven", port_given},
                             {"linkPort", link_port},           {"images", images}, {"serviceRange", service_range},
                             {"nodes", std::move(all)}};
  storage::AtomicFile file(paths.home_file(), 0600);
  const std::string text = json::write(content) + "\n";
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

void prepare_state_folder(const Paths& paths) {
  const std::string name = paths.state.string();
  std::error_code error;
  fs::create_directories(paths.state.parent_path(), error);
  if (mkdir(name.c_str(), 0700) != 0 && errno != EEXIST) throw storage::system_error(errno, "cannot be made", name);
  struct stat info{};
  if (stat(name.c_str(), &info) != 0) throw storage::system_error(errno, "cannot be read", name);
  if (!S_ISDIR(info.st_mode)) throw Error(ErrorCode::kInvalidArgument, "is a file; a folder is needed", name);
  if (info.st_uid != geteuid()) {
    throw Error(ErrorCode::kPermissionDenied, "belongs to another user; choose a folder of yours with --state", name);
  }
  const bool is_home = fs::exists(paths.home_file(), error);
  // An `up` that failed before it knew anything leaves only these.
  const auto ours = [&](const fs::path& entry) {
    return entry == paths.run() || entry == paths.logs() || entry == paths.lock();
  };
  if (!is_home && !std::all_of(fs::directory_iterator(paths.state, error), fs::directory_iterator(),
                               [&](const fs::directory_entry& entry) { return ours(entry.path()); })) {
    throw Error(ErrorCode::kInvalidArgument, "holds something else; a home needs a folder of its own (--state)", name);
  }
  if ((info.st_mode & 077) != 0 && chmod(name.c_str(), 0700) != 0) {
    throw storage::system_error(errno, "is open to other users and cannot be closed", name);
  }
  for (const auto& folder : {paths.run(), paths.logs()}) {
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      throw storage::system_error(errno, "cannot be made", folder);
    }
  }
}

std::string loopback_range(const Paths& paths) {
  const auto hash = std::hash<std::string>()(paths.state.string());
  // 127.64 to 127.94 are nodes and Pods.
  return "127." + std::to_string(96 + hash % 31) + "." + std::to_string((hash >> 8) % 64 * 4) + ".0/22";
}

std::uint16_t choose_port(std::uint16_t wanted, bool fixed, std::string_view flag) {
  if (const std::uint16_t port = try_port(wanted); port != 0) return port;
  if (fixed) {
    throw Error(ErrorCode::kUnavailable,
                "port " + std::to_string(wanted) + " is in use by another program; stop that one or choose another",
                std::string(flag));
  }
  return try_port(0);
}

}  // namespace sedna::cli::home
