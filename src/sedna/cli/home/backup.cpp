#include "sedna/cli/home/backup.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/capture.hpp"
#include "sedna/cli/home/home.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/cli/text_table.hpp"

namespace sedna::cli::home {

int backup(Cluster& cluster, Console& console, const std::string& file) {
  storage::AtomicFile out(file, 0600);
  const auto done = cluster.stream("/backup", "application/octet-stream", [&](std::string_view piece) {
    out.write(std::as_bytes(std::span(piece)));
    return true;
  });
  if (!done && done.status().is_not_found()) {
    throw Error(ErrorCode::kUnimplemented,
                "is no home of this program: its cluster keeps its objects in etcd, which has a backup of its own",
                cluster.url());
  }
  if (!done) throw done.status().to_error();
  constexpr std::string_view kMagic = "SQLite format 3";
  std::string head(kMagic.size(), '\0');
  if (out.size() < 512) throw Error(ErrorCode::kDataLoss, "answered no whole database", cluster.url());
  storage::read_at(storage::open_file(out.temporary(), O_RDONLY), 0, std::as_writable_bytes(std::span(head)),
                   out.temporary());
  if (head != kMagic) throw Error(ErrorCode::kDataLoss, "answered something else than a database", cluster.url());
  const auto size = static_cast<double>(out.size());
  out.commit();
  console.line("wrote " + file + " (" + human_bytes(size) + "); it holds Secrets: keep it as you keep them");
  return 0;
}

int restore(Console& console, const std::string& state, const std::string& file) {
  const Paths paths{state};
  std::error_code error;
  if (!std::filesystem::exists(file, error)) throw Error(ErrorCode::kNotFound, "there is no such file", file);
  prepare_state_folder(paths);
  const storage::Descriptor lock = storage::open_file(paths.lock(), O_RDWR | O_CREAT, 0600);
  const auto record = RunRecord::read(paths.run_file("apiserver"));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0 || (record && record->process.alive())) {
    throw Error(ErrorCode::kAlreadyExists, "is up; `sedna down` first, then restore, then `sedna up`",
                paths.state.string());
  }
  const Captured done = capture({find_program("sedna-apiserver").string(), "restore", "--state", paths.state.string(),
                                 std::filesystem::absolute(file).string()},
                                std::chrono::minutes(5));
  if (done.exit_code != 0) throw Error(ErrorCode::kDataLoss, done.output, file);
  if (!std::filesystem::exists(paths.home_file(), error)) HomeFile().write(paths);
  console.line("the objects of " + paths.state.string() + " are those of " + file +
               " now; `sedna up` goes on with them");
  return 0;
}

}  // namespace sedna::cli::home
