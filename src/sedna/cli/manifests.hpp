// Reads what `-f` names: files, folders, URLs and standard input, each with any number of YAML or JSON documents.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "sedna/api/object.hpp"

namespace sedna::cli {

/// One document, and where it stands for messages ("digits.yaml (document 2)").
struct Manifest {
  api::Object object;
  std::string source;
};

/// All documents in order; a List gives its items. Folders: their *.yaml, *.yml and *.json by name, below too when
/// `recursive`. "-" is `standard_input`. Nothing is returned half: any document that cannot be read is an Error that
/// names file, document and line.
std::vector<Manifest> read_manifests(const std::vector<std::string>& names, bool recursive,
                                     std::istream& standard_input);

/// The documents of one text.
std::vector<Manifest> parse_manifests(const std::string& text, const std::string& source);

}  // namespace sedna::cli
