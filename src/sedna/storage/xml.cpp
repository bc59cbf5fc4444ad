#include "sedna/storage/xml.hpp"

#include <expat.h>

#include <limits>
#include <memory>
#include <utility>

namespace sedna::storage {

namespace {

constexpr std::size_t kMaxDepth = 16;
constexpr std::size_t kMaxElements = 100'000;

struct Reader {
  XML_Parser parser = nullptr;
  XmlElement root;
  std::vector<XmlElement> open;
  std::size_t elements = 0;
  std::string problem;

  void stop(std::string why) {
    if (problem.empty()) problem = std::move(why);
    XML_StopParser(parser, XML_FALSE);
  }
};

void on_start(void* user, const char* name, const char**) {
  auto& reader = *static_cast<Reader*>(user);
  if (reader.open.size() >= kMaxDepth) return reader.stop("nested too deeply");
  if (++reader.elements > kMaxElements) return reader.stop("too many elements");
  const std::string_view full(name);
  const std::size_t colon = full.rfind(':');
  reader.open.push_back({std::string(colon == std::string_view::npos ? full : full.substr(colon + 1)), {}, {}});
}

void on_end(void* user, const char*) {
  auto& reader = *static_cast<Reader*>(user);
  // expat may still report an end tag after it was told to stop.
  if (!reader.problem.empty() || reader.open.empty()) return;
  XmlElement done = std::move(reader.open.back());
  reader.open.pop_back();
  if (reader.open.empty())
    reader.root = std::move(done);
  else
    reader.open.back().children.push_back(std::move(done));
}

void on_text(void* user, const char* text, int size) {
  auto& reader = *static_cast<Reader*>(user);
  if (!reader.open.empty()) reader.open.back().text.append(text, static_cast<std::size_t>(size));
}

void on_doctype(void* user, const char*, const char*, const char*, int) {
  static_cast<Reader*>(user)->stop("has a document type, which object stores never send");
}

}  // namespace

const XmlElement* XmlElement::find(std::string_view child) const {
  for (const auto& c : children)
    if (c.name == child) return &c;
  return nullptr;
}

std::string_view XmlElement::get(std::string_view child) const {
  const XmlElement* found = find(child);
  return found ? std::string_view(found->text) : std::string_view();
}

Result<XmlElement> parse_xml(std::string_view text) {
  if (text.size() > std::size_t{std::numeric_limits<int>::max()})
    return Error(ErrorCode::kInvalidArgument, "XML answer is too large");
  const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(XML_ParserCreate(nullptr), &XML_ParserFree);
  if (!parser) return Error(ErrorCode::kResourceExhausted, "no memory for an XML parser");
  Reader reader;
  reader.parser = parser.get();
  XML_SetUserData(parser.get(), &reader);
  XML_SetElementHandler(parser.get(), on_start, on_end);
  XML_SetCharacterDataHandler(parser.get(), on_text);
  XML_SetStartDoctypeDeclHandler(parser.get(), on_doctype);
  if (XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), 1) != XML_STATUS_OK) {
    const std::string why = reader.problem.empty() ? XML_ErrorString(XML_GetErrorCode(parser.get())) : reader.problem;
    return Error(ErrorCode::kInvalidArgument, "malformed XML: " + why,
                 "line " + std::to_string(XML_GetCurrentLineNumber(parser.get())));
  }
  return std::move(reader.root);
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace sedna::storage
