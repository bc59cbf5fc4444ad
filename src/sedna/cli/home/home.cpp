#include "sedna/cli/home/home.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <fstream>

#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::cli::home {

int supervisor_of(const Paths& paths) {
  const storage::Descriptor fd(open(paths.lock().c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return 0;
  if (flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return 0;  // nobody holds it
  std::ifstream in(paths.lock());
  int pid = 0;
  in >> pid;
  return pid;
}

namespace {

bool serves_at(const std::string& state, const std::string& url) {
  const auto home = HomeFile::read(Paths{state});
  return home && home->port != 0 && url == "https://127.0.0.1:" + std::to_string(home->port);
}

}  // namespace

bool is_home(const std::string& state, const Cluster& cluster) {
  return serves_at(state, cluster.url());
}

bool is_down(const std::string& state, const std::string& server) {
  if (!serves_at(state, server)) return false;
  const auto record = RunRecord::read(Paths{state}.run_file("apiserver"));
  return !record || !record->process.alive();
}

std::string headline(const std::string& state, const Cluster& cluster) {
  const Paths paths{state};
  if (!is_home(state, cluster)) return "Cluster " + cluster.url();
  const int pid = supervisor_of(paths);
  return "Home in " + paths.state.string() + ", API server " + cluster.url() +
         (pid != 0 ? ", supervised by process " + std::to_string(pid)
                   : "; not supervised: `sedna up` takes it over again");
}

}  // namespace sedna::cli::home
