// sedna image load|list|remove: sedna-node does it.
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "commands.hpp"

namespace sedna::cli_program {

namespace {

constexpr const char* kInACluster = "a cluster's nodes pull their images themselves";

}  // namespace

void add_image(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::string archive, name, output;
    std::vector<std::string> images;
    bool force = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "image",
      "The images of the home, loaded from archives: nothing is pulled here.\n\n"
      "A Pod that names a loaded image runs in its file system, with its entrypoint, command, environment, working\n"
      "folder and user, as far as the Pod does not say otherwise.\n"
      "Examples: docker save my/worker:v1 | gzip > worker.tar.gz; sedna image load worker.tar.gz\n"
      "          sedna image list     sedna image remove my/worker:v1");
  cmd->require_subcommand(1);
  CLI::App* load = cmd->add_subcommand("load", "Unpacks the images of a `docker save` or OCI archive (.tar, .tar.gz).");
  load->add_option("archive", flags->archive, "The archive")->required();
  load->add_option("--name", flags->name, "What to call the image besides, as repository/name:tag")->type_name("IMAGE");
  load->add_option("-o,--output", flags->output, "json")->type_name("FORM")->check(CLI::IsMember({"json"}));
  load->callback([flags, &globals, &action] {
    action = [flags, &globals]() -> int {
      std::vector<std::string> words{"image", "load", std::filesystem::absolute(flags->archive).string()};
      if (!flags->name.empty()) words.insert(words.end(), {"--name", flags->name});
      if (!flags->output.empty()) words.insert(words.end(), {"--output", flags->output});
      become_node_program(globals, std::move(words), kInACluster);
    };
  });
  CLI::App* list = cmd->add_subcommand("list", "What is loaded.");
  list->add_option("-o,--output", flags->output, "json")->type_name("FORM")->check(CLI::IsMember({"json"}));
  list->callback([flags, &globals, &action] {
    action = [flags, &globals]() -> int {
      std::vector<std::string> words{"image", "list"};
      if (!flags->output.empty()) words.insert(words.end(), {"--output", flags->output});
      become_node_program(globals, std::move(words), kInACluster);
    };
  });
  CLI::App* remove = cmd->add_subcommand("remove", "Takes names away, and an image's files with its last one.");
  remove->add_option("images", flags->images, "Names or ids")->required();
  remove->add_flag("--force", flags->force, "Also when a Pod uses it");
  remove->callback([flags, &globals, &action] {
    action = [flags, &globals]() -> int {
      std::vector<std::string> words{"image", "remove"};
      words.insert(words.end(), flags->images.begin(), flags->images.end());
      if (flags->force) words.emplace_back("--force");
      become_node_program(globals, std::move(words), kInACluster);
    };
  });
}

}  // namespace sedna::cli_program
