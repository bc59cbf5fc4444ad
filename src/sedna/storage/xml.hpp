// The small XML answers of object stores (listings, errors, multipart ids), read with expat into a tree.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/result.hpp"

namespace sedna::storage {

struct XmlElement {
  std::string name;  ///< without a namespace prefix
  std::string text;
  std::vector<XmlElement> children;
  /// The first child of that name, or nullptr.
  const XmlElement* find(std::string_view child) const;
  /// The text of that child, or "".
  std::string_view get(std::string_view child) const;
};

/// Refuses document types (entities), more than 16 levels and more than 100,000 elements.
Result<XmlElement> parse_xml(std::string_view text);
/// & < > " ' escaped.
std::string xml_escape(std::string_view text);

}  // namespace sedna::storage
