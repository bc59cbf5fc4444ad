// sedna-storage-initializer: upstream's init container as a program. Called with pairs of source and destination, it
// fetches models and datasets into the Pod's shared folder before the workers start.
//
//   sedna-storage-initializer SRC DST [SRC DST]…
//
// SRC: a path, file://, http(s):// or s3:// (obs:// is taken as s3). DST: a folder; one that begins with the mark
// (INDIRECT_URL_MARK, "@") means that SRC is a list: its first line a base URL, each further line a key below it.
// Credentials: S3_ENDPOINT_URL, ACCESS_KEY_ID, SECRET_ACCESS_KEY; extra HTTP headers: "<host>-headers" (JSON).
// Exit codes: 0 all is there; 1 something failed (the reason is the last line and goes to /dev/termination-log too).
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "sedna/base/error.hpp"

#include "storage_download.hpp"

namespace {

/// Where Kubernetes and our agent read a container's last word.
void leave_message(const std::string& message) {
  std::ofstream out("/dev/termination-log", std::ios::app);
  out << message << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sedna;
  signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty() || words.size() % 2 != 0) {
    const std::string message = "sedna-storage-initializer: expects pairs of source and destination, got " +
                                std::to_string(words.size()) + " arguments";
    std::fprintf(stderr, "%s\n", message.c_str());
    leave_message(message);
    return 1;
  }
  try {
    initializer::Downloader downloader(initializer::Settings::from_environment());
    for (std::size_t i = 0; i < words.size(); i += 2) downloader.fetch(words[i], words[i + 1]);
    return 0;
  } catch (const Error& error) {
    const std::string message = initializer::explain(error);
    std::fprintf(stderr, "%s\n", message.c_str());
    leave_message(message);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sedna-storage-initializer: %s\n", error.what());
    leave_message(error.what());
  }
  return 1;
}
