#include <cstdio>
#include <filesystem>

#include "sedna/api/object.hpp"
#include "sedna/apiserver/state_folder.hpp"
#include "sedna/base/error.hpp"
#include "sedna/store/embedded/database.hpp"

#include "commands.hpp"

namespace sedna::apiserver_program {
namespace {

namespace fs = std::filesystem;

/// Reads every object of the file; throws when it is damaged or of another kind.
std::size_t count_objects(const std::string& path) {
  std::size_t count = 0;
  store::embedded::Database database(path);
  database.load([&count](const auto&) { ++count; }, [](const auto&, auto) {});
  return count;
}

}  // namespace

int restore(const std::string& state, const std::string& backup) {
  apiserver::StateFolder folder(state);
  folder.lock();
  if (!fs::is_regular_file(backup)) throw Error(ErrorCode::kNotFound, "there is no such file", backup);
  const std::string fresh = folder.file("objects.restored");
  const std::string path = folder.database();
  fs::copy_file(backup, fresh, fs::copy_options::overwrite_existing);
  fs::permissions(fresh, fs::perms::owner_read | fs::perms::owner_write);
  const std::size_t count = count_objects(fresh);
  // The journal beside the copy has been written back when it was closed.
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code none;  // there need not be one
    fs::rename(path + suffix, path + ".before-restore" + suffix, none);
  }
  fs::rename(fresh, path);
  std::printf("restored %zu objects; the database that was there is kept as %s.before-restore\n", count, path.c_str());
  return 0;
}

}  // namespace sedna::apiserver_program
