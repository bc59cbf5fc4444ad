#include "sedna/node/image_archive.hpp"

#include <algorithm>
#include <system_error>

#include "sedna/base/sha256.hpp"
#include "sedna/node/files.hpp"
#include "sedna/storage/local.hpp"

namespace sedna::node {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kLargestDocument = std::uintmax_t{8} << 20;
constexpr int kDeepestIndex = 4;

/// A regular file of the archive (or a link to one: `docker save` links equal layers; the archive's links lead nowhere
/// else, that was seen to when it was unpacked).
Path member(const Path& folder, const std::string& name) {
  auto path = storage::join_inside(folder, name);
  if (!path) throw path.error().within(name);
  std::error_code error;
  if (!fs::is_regular_file(*path, error))
    throw Error(ErrorCode::kDataLoss, "the archive names it and does not have it", name);
  return std::move(*path);
}

std::string document(const Path& folder, const std::string& name) {
  const Path path = member(folder, name);
  std::error_code error;
  if (fs::file_size(path, error) > kLargestDocument)
    throw Error(ErrorCode::kResourceExhausted, "is too big for what it is", name);
  auto text = read_file(path);
  if (!text) throw Error(ErrorCode::kDataLoss, "cannot be read", name);
  return std::move(*text);
}

template <class T>
T checked(Result<T> parsed, const std::string& name) {
  if (!parsed) throw parsed.error().within(name);
  return std::move(*parsed);
}

std::string blob_name(const OciBlob& blob) {
  return "blobs/sha256/" + blob.digest;
}

std::string blob_document(const Path& folder, const OciBlob& blob) {
  const auto name = blob_name(blob);
  auto text = document(folder, name);
  if (text.size() != blob.size || sha256_hex(text) != blob.digest)
    throw Error(ErrorCode::kDataLoss, "is not what its digest says", name);
  return text;
}

Path blob_file(const Path& folder, const OciBlob& blob) {
  const auto name = blob_name(blob);
  auto path = member(folder, name);
  std::error_code error;
  if (fs::file_size(path, error) != blob.size || sha256_file(path) != blob.digest)
    throw Error(ErrorCode::kDataLoss, "is not what its digest says", name);
  return path;
}

void check_config(const ArchivedImage& image, const std::string& architecture, const std::string& name) {
  const auto& config = image.config;
  if (!config.os.empty() && config.os != "linux")
    throw Error(ErrorCode::kUnimplemented, "is for " + config.os.substr(0, 40) + ", this machine runs Linux", name);
  if (!config.architecture.empty() && config.architecture != architecture)
    throw Error(ErrorCode::kUnimplemented,
                "is for " + config.architecture.substr(0, 40) + ", this machine is " + architecture +
                    "; save the image for linux/" + architecture,
                name);
  if (config.diff_ids.size() != image.layers.size())
    throw Error(ErrorCode::kDataLoss,
                "speaks of " + std::to_string(config.diff_ids.size()) + " layers, the manifest of " +
                    std::to_string(image.layers.size()),
                name);
}

std::vector<ArchivedImage> docker_images(const Path& folder, const std::string& architecture) {
  std::vector<ArchivedImage> out;
  for (const auto& found : checked(parse_docker_manifest(document(folder, "manifest.json")), "manifest.json")) {
    const auto text = document(folder, found.config);
    ArchivedImage image;
    image.id = sha256_hex(text);
    // Named by its digest: "<digest>.json", or "blobs/sha256/<digest>".
    const auto named = Path(found.config).stem().string();
    const bool digest = named.size() == 64 && named.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (digest && named != image.id) throw Error(ErrorCode::kDataLoss, "is not what its digest says", found.config);
    image.names = found.names;
    image.config = checked(parse_image_config(text), found.config);
    for (const auto& layer : found.layers) image.layers.push_back(member(folder, layer));
    check_config(image, architecture, found.config);
    out.push_back(std::move(image));
  }
  return out;
}

/// The manifest for this machine, below indexes for several.
struct Chosen {
  OciBlob manifest;
  std::vector<std::string> names;
  std::string tag;
};

void choose(const Path& folder, const std::vector<OciEntry>& entries, const std::string& architecture, int depth,
            const OciEntry* outer, std::vector<Chosen>& out, std::vector<std::string>& others) {
  if (depth > kDeepestIndex) throw Error(ErrorCode::kInvalidArgument, "has indexes in indexes", "index.json");
  for (const auto& entry : entries) {
    const auto& names = entry.names.empty() && outer != nullptr ? outer->names : entry.names;
    const auto& tag = entry.tag.empty() && outer != nullptr ? outer->tag : entry.tag;
    if (entry.blob.is_index()) {
      OciEntry named = entry;
      named.names = names;
      named.tag = tag;
      const auto inner = checked(parse_oci_index(blob_document(folder, entry.blob)), blob_name(entry.blob));
      choose(folder, inner, architecture, depth + 1, &named, out, others);
      continue;
    }
    const bool fits =
        (entry.os.empty() || entry.os == "linux") && (entry.architecture.empty() || entry.architecture == architecture);
    if (!fits) {
      // "unknown/unknown" are statements about how the image was built
      if (entry.os != "unknown") others.push_back(entry.os + "/" + entry.architecture);
      continue;
    }
    Chosen chosen;
    chosen.manifest = entry.blob;
    chosen.names = names;
    chosen.tag = tag;
    out.push_back(std::move(chosen));
  }
}

std::vector<ArchivedImage> oci_images(const Path& folder, const std::string& architecture) {
  std::vector<Chosen> chosen;
  std::vector<std::string> others;
  choose(folder, checked(parse_oci_index(document(folder, "index.json")), "index.json"), architecture, 0, nullptr,
         chosen, others);
  if (chosen.empty()) {
    std::string list;
    for (const auto& platform : others) list += (list.empty() ? "" : ", ") + platform.substr(0, 60);
    throw Error(ErrorCode::kUnimplemented,
                "has no image for linux/" + architecture + (list.empty() ? "" : ", only for " + list), "index.json");
  }
  std::vector<ArchivedImage> out;
  for (const auto& one : chosen) {
    const auto name = blob_name(one.manifest);
    const auto manifest = checked(parse_oci_manifest(blob_document(folder, one.manifest)), name);
    ArchivedImage image;
    image.id = manifest.config.digest;
    image.manifest = one.manifest.digest;
    image.names = one.names;
    image.tag = one.tag;
    const auto config = blob_name(manifest.config);
    image.config = checked(parse_image_config(blob_document(folder, manifest.config)), config);
    for (const auto& layer : manifest.layers) image.layers.push_back(blob_file(folder, layer));
    check_config(image, architecture, config);
    out.push_back(std::move(image));
  }
  return out;
}

}  // namespace

std::vector<ArchivedImage> read_image_archive(const Path& folder, const std::string& architecture) {
  std::error_code error;
  // What `docker save` writes today has both; its manifest.json knows the names.
  if (fs::exists(folder / "manifest.json", error)) return docker_images(folder, architecture);
  if (fs::exists(folder / "index.json", error)) return oci_images(folder, architecture);
  const bool tree = fs::is_directory(folder / "usr", error) || fs::exists(folder / "bin", error);
  throw Error(ErrorCode::kInvalidArgument,
              std::string("is no image archive: it has neither manifest.json nor index.json") +
                  (tree ? "; `docker export` writes a container's files, `docker save` an image" : ""));
}

}  // namespace sedna::node
