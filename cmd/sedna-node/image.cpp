// sedna-node image load|list|remove: the images of the home. `sedna image` becomes this program.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"
#include "sedna/json/json.hpp"
#include "sedna/node/image_store.hpp"

#include "commands.hpp"

namespace sedna::node_program {

namespace {

constexpr std::size_t kShownId = 12;

struct ImageFlags {
  std::string state, archive, name, output;
  std::vector<std::string> images;
  bool force = false;
};

json::object to_json(const node::StoredImage& image) {
  json::array names, command, args;
  for (const auto& name : image.names) names.emplace_back(name);
  for (const auto& word : image.entry.command) command.emplace_back(word);
  for (const auto& word : image.entry.args) args.emplace_back(word);
  return {{"id", image.id},
          {"names", std::move(names)},
          {"size", image.size},
          {"loadedAt", image.loaded_at},
          {"entrypoint", std::move(command)},
          {"cmd", std::move(args)},
          {"workingDir", image.entry.cwd}};
}

std::string megabytes(std::uint64_t size) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(size) / 1e6);
  return text;
}

void print(const std::vector<node::StoredImage>& images, const std::string& output) {
  if (output == "json") {
    json::array all;
    for (const auto& image : images) all.emplace_back(to_json(image));
    std::printf("%s\n", json::write(json::object{{"images", std::move(all)}}).c_str());
    return;
  }
  if (images.empty()) {
    std::fprintf(stderr, "No images are loaded; `sedna image load ARCHIVE` loads one.\n");
    return;
  }
  std::size_t width = 4;
  for (const auto& image : images) {
    for (const auto& name : image.names) width = std::max(width, name.size());
  }
  std::printf("%-*s  %-12s  %10s  %s\n", static_cast<int>(width), "NAME", "ID", "SIZE", "LOADED");
  for (const auto& image : images) {
    const auto line = [&](const std::string& name) {
      std::printf("%-*s  %-12s  %10s  %s\n", static_cast<int>(width), name.c_str(),
                  image.id.substr(0, kShownId).c_str(), megabytes(image.size).c_str(), image.loaded_at.c_str());
    };
    if (image.names.empty()) line("<none>");
    for (const auto& name : image.names) line(name);
  }
}

}  // namespace

void add_image(CLI::App& program, Action& action) {
  auto flags = std::make_shared<ImageFlags>();
  auto* command = program.add_subcommand("image", "The home's images, loaded from archives");
  command->require_subcommand(1);
  const auto with_state = [&](const char* name, const char* what) {
    auto* out = command->add_subcommand(name, what);
    out->add_option("--state", flags->state, "The home's state folder")->required();
    return out;
  };
  auto* load = with_state("load", "Unpacks the images of a `docker save` or OCI archive");
  load->add_option("archive", flags->archive, "The archive")->required();
  load->add_option("--name", flags->name, "What to call the image besides");
  load->add_option("-o,--output", flags->output, "json")->check(CLI::IsMember({"json"}));
  load->callback([flags, &action] {
    action = [flags] {
      const auto images = node::ImageStore(flags->state).load(flags->archive, flags->name);
      if (flags->output == "json") {
        print(images, flags->output);
        return kExitOk;
      }
      for (const auto& image : images) {
        for (const auto& name : image.names)
          std::printf("Loaded %s (%s, %s)\n", name.c_str(), image.id.substr(0, kShownId).c_str(),
                      megabytes(image.size).c_str());
      }
      return kExitOk;
    };
  });
  auto* list = with_state("list", "What is loaded");
  list->add_option("-o,--output", flags->output, "json")->check(CLI::IsMember({"json"}));
  list->callback([flags, &action] {
    action = [flags] {
      print(node::ImageStore(flags->state).list(), flags->output);
      return kExitOk;
    };
  });
  auto* remove = with_state("remove", "Takes names away, and the files with the last one");
  remove->add_option("images", flags->images, "Names or ids")->required();
  remove->add_flag("--force", flags->force, "Also when a Pod uses it");
  remove->callback([flags, &action] {
    action = [flags] {
      for (const auto& image : flags->images) {
        node::ImageStore(flags->state).remove(image, flags->force);
        std::printf("Removed %s\n", image.c_str());
      }
      return kExitOk;
    };
  });
}

}  // namespace sedna::node_program
