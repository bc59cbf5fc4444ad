#include "sedna/storage/storage.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "sedna/storage/archive.hpp"

#include "bind.hpp"

namespace sedna::python {

namespace nb = nanobind;

void bind_storage(nb::module_& m) {
  // Made per call: the environment (endpoint, keys) is read when something is fetched.
  m.def(
      "storage_download",
      [](const std::string& url, const std::string& destination) {
        const nb::gil_scoped_release unlocked;
        storage::Storage storage;
        return storage.download(url, destination).string();
      },
      nb::arg("url"), nb::arg("destination"), "Fetches a URL to a local path, which appears whole or not at all.");
  m.def(
      "storage_upload",
      [](const std::string& source, const std::string& url) {
        const nb::gil_scoped_release unlocked;
        storage::Storage storage;
        return storage.upload(source, url);
      },
      nb::arg("source"), nb::arg("url"), "Puts a local file or folder to a URL; the number of bytes.");
  m.def(
      "storage_exists",
      [](const std::string& url) {
        const nb::gil_scoped_release unlocked;
        storage::Storage storage;
        return storage.exists(url);
      },
      nb::arg("url"), "Whether something lies at a URL.");
  m.def(
      "archive_extract",
      [](const std::string& archive, const std::string& folder) {
        const nb::gil_scoped_release unlocked;
        storage::extract_archive(archive, folder);
      },
      nb::arg("archive"), nb::arg("folder"), "Unpacks an archive without letting a member leave the folder.");
  m.def(
      "archive_create",
      [](const std::string& source, const std::string& archive) {
        const nb::gil_scoped_release unlocked;
        storage::create_tar_gz(source, archive);
      },
      nb::arg("source"), nb::arg("archive"), "Packs a file or folder as .tar.gz.");
}

}  // namespace sedna::python
