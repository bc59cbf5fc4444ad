// A file system in memory that loses what was not synced and fails when told to. For tests of everything that must
// survive a crash at any step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sedna/base/error.hpp"
#include "sedna/journal/file_system.hpp"

namespace sedna::journal {

/// Counts writes, truncations, syncs, renames and removals as steps. Not thread-safe.
class CrashFileSystem final : public FileSystem {
 public:
  struct Node {
    std::string now;                   ///< what a reader sees
    std::vector<std::string> on_disk;  ///< contents that a crash may leave: the synced one, and after each write since
  };
  std::map<std::string, std::shared_ptr<Node>> nodes;
  std::uint64_t steps = 0;
  std::uint64_t fail_at = 0;    ///< this step and all later ones throw (the machine is off); 0: never
  std::uint64_t fail_once = 0;  ///< only this step throws (the disk hiccups)
  ErrorCode failure = ErrorCode::kUnavailable;
  bool torn_writes = false;  ///< a failing write leaves half of its bytes

  /// What is left after power loss: of each file the synced content (`lucky`: everything written).
  void crash(bool lucky) {
    fail_at = fail_once = 0;
    for (auto& [path, node] : nodes) {
      auto left = std::make_shared<Node>();
      left->now = lucky || node->on_disk.empty() ? node->now : node->on_disk.front();
      left->on_disk = {left->now};
      node = left;
    }
  }

  std::unique_ptr<File> open(const std::string& path) override {
    auto& node = nodes[path];
    if (!node) node = std::make_shared<Node>(Node{{}, {std::string()}});
    return std::make_unique<MemoryFile>(*this, node);
  }
  void rename(const std::string& from, const std::string& to) override {
    step();
    nodes[to] = nodes.at(from);
    nodes.erase(from);
  }
  void remove(const std::string& path) override {
    if (!nodes.contains(path)) return;
    step();
    nodes.erase(path);
  }
  bool exists(const std::string& path) override { return nodes.contains(path); }
  void make_folder(const std::string& /*path*/) override {}

 private:
  bool due() {
    ++steps;
    return (fail_at != 0 && steps >= fail_at) || steps == fail_once;
  }
  void step() {
    if (due()) throw Error(failure, "the test says so");
  }

  class MemoryFile final : public File {
   public:
    MemoryFile(CrashFileSystem& fs, std::shared_ptr<Node> node) : fs_(fs), node_(std::move(node)) {}
    std::uint64_t size() override { return node_->now.size(); }
    std::string read(std::uint64_t offset, std::size_t count) override {
      return offset >= node_->now.size() ? std::string() : node_->now.substr(offset, count);
    }
    void write(std::uint64_t offset, const std::string& bytes) override {
      const bool fails = fs_.due();
      const std::size_t n = !fails ? bytes.size() : fs_.torn_writes ? bytes.size() / 2 : 0;
      if (node_->now.size() < offset + n) node_->now.resize(offset + n);
      node_->now.replace(offset, n, bytes, 0, n);
      if (fails) throw Error(fs_.failure, "the test says so");
    }
    void truncate(std::uint64_t size) override {
      fs_.step();
      node_->now.resize(size);
    }
    void sync() override {
      fs_.step();
      node_->on_disk = {node_->now};
    }

   private:
    CrashFileSystem& fs_;
    std::shared_ptr<Node> node_;
  };
};

}  // namespace sedna::journal
