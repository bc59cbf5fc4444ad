#include "sedna/json/yaml.hpp"

#include <charconv>
#include <cmath>
#include <istream>
#include <optional>
#include <streambuf>
#include <unordered_map>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "sedna/base/base64.hpp"
#include "sedna/json/scanner.hpp"
#include "sedna/json/yaml_style.hpp"

namespace sedna::json {

namespace {

/// A fault found while the parser calls us; carried out through it.
struct Fault : std::exception {
  Fault(const YAML::Mark& at, std::string text, ErrorCode kind = ErrorCode::kInvalidArgument)
      : mark(at), message(std::move(text)), code(kind) {}
  const char* what() const noexcept override { return message.c_str(); }
  YAML::Mark mark;
  std::string message;
  ErrorCode code;
};

Error to_error(const YAML::Mark& mark, const std::string& message, ErrorCode code = ErrorCode::kInvalidArgument) {
  if (mark.is_null()) return {code, message};
  return {code,
          "line " + std::to_string(mark.line + 1) + ", column " + std::to_string(mark.column + 1) + ": " + message};
}

/// What go-yaml accepts in a stream: printable characters, tab and line ends.
std::optional<Error> bad_character(std::string_view text) {
  std::size_t line = 1, line_start = 0;
  const char* const end = text.data() + text.size();
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_sequence(text.data() + i, end);
    const bool control = length == 1 && ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f);
    const bool c1 = length == 2 && c == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0 &&
                    static_cast<unsigned char>(text[i + 1]) != 0x85;
    if (length == 0 || control || c1) {
      return Error(ErrorCode::kInvalidArgument,
                   "line " + std::to_string(line) + ", byte " + std::to_string(i - line_start + 1) +
                       (length == 0 ? ": the text is not valid UTF-8" : ": control characters are not allowed"));
    }
    if (c == '\n') {
      ++line;
      line_start = i + 1;
    }
    i += length;
  }
  return std::nullopt;
}

/// Go's strconv.FormatFloat(v, 'g', -1, 32): what sigs.k8s.io/yaml makes of a key that is a float.
std::string float_key(double v) {
  if (std::isnan(v)) return ".nan";
  const auto f = static_cast<float>(v);
  if (std::isinf(f)) return f > 0 ? ".inf" : "-.inf";
  std::array<char, 64> text{};
  auto end = std::to_chars(text.data(), text.data() + text.size(), f, std::chars_format::scientific).ptr;
  const std::string_view scientific(text.data(), static_cast<std::size_t>(end - text.data()));
  const auto e = scientific.find('e');
  int exponent = 0;
  const char* digits = scientific.data() + e + (scientific[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits, end, exponent);
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  end = std::to_chars(text.data(), text.data() + text.size(), f, std::chars_format::fixed).ptr;
  return {text.data(), end};
}

/// A text counts for as many values as it is long, so that aliases of long texts are bounded too.
constexpr std::size_t kBytesAValue = 32;

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

/// yaml-cpp 0.7 makes single bytes of the escapes \N and \_: what is no UTF-8 here is one of those.
std::string repaired(const std::string& text) {
  std::string out;
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p != end;) {
    const std::size_t length = utf8_sequence(p, end);
    if (length == 0) out.push_back('\xc2');
    const std::size_t take = length == 0 ? 1 : length;
    out.append(p, take);
    p += take;
  }
  return out;
}

class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view text, const YamlOptions& options) : rest_(text), options_(options) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0 && !mark.is_null() && !is_separated(static_cast<std::size_t>(mark.line))) {
      // yaml-cpp takes what is less indented than the first line for a document of its own.
      throw Fault(mark, "did not find expected <document start>");
    }
    anchors_.clear();
    frames_.clear();
    root_ = Node{};
    root_line_ = mark.is_null() ? 1 : static_cast<std::size_t>(mark.line) + 1;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!frames_.empty() && frames_.back().key && frames_.back().key_mark.pos == mark.pos) {
      // yaml-cpp takes a line without a colon for a key without a value.
      throw Fault(mark, "could not find expected ':' after \"" + *frames_.back().key + "\"");
    }
    count(mark, 1);
    add(mark, anchor, Node{});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Fault(mark, "an anchor's value contains itself");
    Node copy = found->second;
    count(mark, copy.size);
    add(mark, 0, std::move(copy));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Node node;
    const bool key = !frames_.empty() && frames_.back().node.content.is_object() && !frames_.back().key &&
                     !frames_.back().merge_next;
    node.content = scalar(mark, tag, text, key);
    node.size += text.size() / kBytesAValue;
    count(mark, node.size);
    node.is_merge = tag == "?" && text == "<<";
    add(mark, anchor, std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, anchor, value(array()));
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, anchor, value(object()));
  }
  void OnMapEnd() override { pop(); }

  YamlDocument take() { return {std::move(root_.content), root_line_}; }

 private:
  struct Node {
    value content;
    std::size_t size = 1;  ///< values in it, long texts as several
    bool is_merge = false;
  };
  struct Frame {
    YAML::Mark mark;
    YAML::anchor_t anchor;
    Node node;
    std::optional<std::string> key;  ///< read, its value not yet
    YAML::Mark key_mark;
    bool merge_next = false;
  };

  /// The 0-based line begins with "---", or the last line with something in it before that begins with "..." or "---".
  /// Lines are asked for in order, so the text is walked once.
  bool is_separated(std::size_t line) {
    for (; line_ < line && !rest_.empty(); ++line_) {
      const auto end = std::min(rest_.find('\n'), rest_.size());
      const auto first = rest_.find_first_not_of(" \t\r");
      if (first < end && rest_[first] != '#') last_filled_ = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
    }
    return rest_.starts_with("---") || last_filled_.starts_with("...") || last_filled_.starts_with("---");
  }

  void count(const YAML::Mark& mark, std::size_t values) {
    values_ += values;
    if (values_ > options_.max_values) {
      throw Fault(mark, "more than " + std::to_string(options_.max_values) + " values (aliases expanded)",
                  ErrorCode::kResourceExhausted);
    }
  }

  void push(const YAML::Mark& mark, YAML::anchor_t anchor, value empty) {
    if (frames_.size() >= options_.max_depth) {
      throw Fault(mark, "nested deeper than " + std::to_string(options_.max_depth), ErrorCode::kResourceExhausted);
    }
    count(mark, 1);
    Frame f{mark, anchor, {}, std::nullopt, {}, false};
    f.node.content = std::move(empty);
    frames_.push_back(std::move(f));
  }

  void pop() {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    add(done.mark, done.anchor, std::move(done.node));
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, Node node) {
    if (anchor != 0) {
      count(mark, node.size);  // a copy is kept
      anchors_[anchor] = node;
    }
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& top = frames_.back();
    if (top.node.content.is_array() || top.key || top.merge_next) top.node.size += node.size;
    if (top.node.content.is_array()) {
      top.node.content.get_array().push_back(std::move(node.content));
      return;
    }
    object& map = top.node.content.get_object();
    if (top.merge_next) {
      top.merge_next = false;
      merge(mark, map, node.content);
    } else if (!top.key) {
      if (node.is_merge) {
        top.merge_next = true;
      } else {
        top.key = key_text(mark, node.content);
        top.key_mark = mark;
        top.node.size += node.size;
      }
    } else {
      if (options_.refuse_duplicates && map.contains(*top.key)) {
        throw Fault(mark, "key \"" + *top.key + "\" already set in map");
      }
      map[*top.key] = std::move(node.content);
      top.key.reset();
    }
  }

  static void merge(const YAML::Mark& mark, object& into, const value& from) {
    const auto one = [&](const value& v) {
      if (!v.is_object()) throw Fault(mark, "map merge requires map or sequence of maps as the value");
      for (const auto& member : v.get_object()) into[member.key()] = member.value();
    };
    if (from.is_array()) {
      for (std::size_t i = from.get_array().size(); i-- > 0;) one(from.get_array()[i]);  // the first one wins
    } else {
      one(from);
    }
  }

  static std::string key_text(const YAML::Mark& mark, const value& v) {
    if (v.is_string()) return std::string(std::string_view(v.get_string()));
    if (v.is_bool()) return v.get_bool() ? "true" : "false";
    if (v.is_int64() || v.is_uint64()) return write(v);
    if (v.is_double()) return float_key(v.get_double());
    throw Fault(mark, "a key must be text, a number or a boolean, not " + std::string(kind_name(v)));
  }

  static value scalar(const YAML::Mark& mark, const std::string& tag, const std::string& raw, bool key) {
    const std::string text = repaired(raw);
    const auto cannot = [&](std::string_view as) {
      return Fault(mark, "cannot decode \"" + text + "\" as a " + std::string(as));
    };
    value v;
    if (tag == "?" || (tag.empty() && text.empty())) {
      v = resolve_yaml_key(text);
    } else if (!tag.starts_with(kTagPrefix)) {
      return value(text);  // quoted, or a tag of the user's own
    } else {
      const auto type = std::string_view(tag).substr(kTagPrefix.size());
      if (type == "binary") {
        const auto bytes = base64_decode(text);
        if (!bytes || bad_character(*bytes))
          throw Fault(mark, "!!binary value contains invalid base64 data or no text");
        return value(*bytes);
      }
      v = resolve_yaml_key(text);
      if (type == "null") {
        if (!v.is_null()) throw cannot("!!null");
      } else if (type == "bool") {
        if (!v.is_bool()) throw cannot("!!bool");
      } else if (type == "int") {
        if (!v.is_int64() && !v.is_uint64()) throw cannot("!!int");
      } else if (type == "float") {
        if (!v.is_number()) throw cannot("!!float");
      } else {
        return value(text);
      }
    }
    if (!key) v = json_number(std::move(v));
    if (!key && v.is_double() && !std::isfinite(v.get_double())) throw Fault(mark, text + " has no meaning in JSON");
    return v;
  }

  std::string_view rest_;  ///< of the text, from line_ on
  std::size_t line_ = 0;
  std::string_view last_filled_;
  YamlOptions options_;
  std::size_t documents_ = 0;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, Node> anchors_;
  Node root_;
  std::size_t root_line_ = 1;
  std::size_t values_ = 0;
};

/// Reads the text in place.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    // The buffer is only read; streambuf has no const face.
    char* begin = const_cast<char*>(text.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    setg(begin, begin, begin + text.size());
  }
};

/// One or more JSON values and nothing else; nothing when it is not that.
std::optional<std::vector<YamlDocument>> parse_json_stream(std::string_view text, const YamlOptions& options) {
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{') return std::nullopt;
  Limits limits;
  limits.max_depth = options.max_depth;
  limits.max_bytes = options.max_bytes;
  Scanner scanner(text, limits);
  std::vector<YamlDocument> out;
  for (scanner.skip_space(); scanner.here() != scanner.end(); scanner.skip_space()) {
    const auto before = text.substr(0, scanner.offset());
    const auto line = 1 + static_cast<std::size_t>(std::ranges::count(before, '\n'));
    auto v = read_value(
        scanner, options.refuse_duplicates ? ParseOptions::Duplicates::kRefuse : ParseOptions::Duplicates::kLastWins);
    if (!v) return std::nullopt;
    out.push_back({std::move(*v), line});
  }
  return out;
}

}  // namespace

Result<std::vector<YamlDocument>> parse_yaml_documents(std::string_view text, const YamlOptions& options) {
  if (text.size() > options.max_bytes) {
    return Error(ErrorCode::kResourceExhausted, "the text is " + std::to_string(text.size()) +
                                                    " bytes long, more than " + std::to_string(options.max_bytes));
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (auto fault = bad_character(text)) return *fault;
  if (auto json = parse_json_stream(text, options)) return std::move(*json);
  std::vector<YamlDocument> out;
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    Builder builder(text, options);
    while (parser.HandleNextDocument(builder)) {
      auto document = builder.take();
      if (!document.content.is_null()) out.push_back(std::move(document));
    }
  } catch (const Fault& fault) {
    return to_error(fault.mark, fault.message, fault.code);
  } catch (const YAML::Exception& e) {
    return to_error(e.mark, e.msg);
  }
  return out;
}

Result<std::vector<value>> parse_yaml(std::string_view text, const YamlOptions& options) {
  auto documents = parse_yaml_documents(text, options);
  if (!documents) return std::move(documents).error();
  std::vector<value> out;
  out.reserve(documents->size());
  for (auto& d : *documents) out.push_back(std::move(d.content));
  return out;
}

Result<value> parse_yaml_one(std::string_view text, const YamlOptions& options) {
  auto documents = parse_yaml_documents(text, options);
  if (!documents) return std::move(documents).error();
  if (documents->empty()) return value(nullptr);
  if (documents->size() > 1) {
    return Error(ErrorCode::kInvalidArgument,
                 "line " + std::to_string((*documents)[1].line) + ": a second document, where one was expected");
  }
  return std::move(documents->front().content);
}

}  // namespace sedna::json
