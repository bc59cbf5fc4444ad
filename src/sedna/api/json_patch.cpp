// RFC 6902 with the pointers of RFC 6901.
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "sedna/api/field_error.hpp"
#include "sedna/api/patch.hpp"

namespace sedna::api {

namespace {

// As kube-apiserver: operations of a patch, and bytes that all its copies may add.
constexpr std::size_t kMaxOperations = 10'000;
constexpr std::size_t kMaxCopied = std::size_t{3} << 20;

using Pointer = std::vector<std::string>;

std::optional<Pointer> parse_pointer(std::string_view text) {
  Pointer out;
  if (text.empty()) return out;
  if (text.front() != '/') return std::nullopt;
  for (std::size_t i = 0; i < text.size();) {
    std::string token;
    for (++i; i < text.size() && text[i] != '/'; ++i) {
      if (text[i] != '~') {
        token.push_back(text[i]);
      } else if (i + 1 < text.size() && (text[i + 1] == '0' || text[i + 1] == '1')) {
        token.push_back(text[++i] == '0' ? '~' : '/');
      } else {
        return std::nullopt;
      }
    }
    out.push_back(std::move(token));
  }
  return out;
}

std::optional<std::size_t> index_of(const std::string& token) {
  if (token.empty() || (token.size() > 1 && token.front() == '0')) return std::nullopt;
  std::size_t i = 0;
  const auto [end, ec] = std::from_chars(token.data(), token.data() + token.size(), i);
  if (ec != std::errc() || end != token.data() + token.size()) return std::nullopt;
  return i;
}

/// The value at the first `count` tokens; null when there is none.
json::value* locate(json::value& root, const Pointer& path, std::size_t count) {
  json::value* at = &root;
  for (std::size_t i = 0; i < count; ++i) {
    if (at->is_object()) {
      at = at->get_object().if_contains(path[i]);
    } else if (at->is_array()) {
      const auto index = index_of(path[i]);
      at = index && *index < at->get_array().size() ? &at->get_array()[*index] : nullptr;
    } else {
      return nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

/// What one operation ends with: nothing, or why it failed.
using Fault = std::optional<std::string>;

Fault missing(std::string_view operation, std::string_view path) {
  return std::string(operation) + " operation does not apply: doc is missing path: " + in_quotes(path) +
         ": missing value";
}

Fault add(json::value& root, const Pointer& path, std::string_view shown, json::value v) {
  if (path.empty()) {
    root = std::move(v);
    return std::nullopt;
  }
  json::value* parent = locate(root, path, path.size() - 1);
  if (parent == nullptr) return missing("add", shown);
  if (parent->is_object()) {
    parent->get_object()[path.back()] = std::move(v);
    return std::nullopt;
  }
  if (!parent->is_array()) return missing("add", shown);
  json::array& list = parent->get_array();
  if (path.back() == "-") {
    list.push_back(std::move(v));
    return std::nullopt;
  }
  const auto index = index_of(path.back());
  if (!index || *index > list.size()) return "add operation does not apply: index out of bounds: " + in_quotes(shown);
  list.insert(list.begin() + static_cast<std::ptrdiff_t>(*index), std::move(v));
  return std::nullopt;
}

Fault remove(json::value& root, const Pointer& path, std::string_view shown) {
  if (path.empty() || locate(root, path, path.size()) == nullptr) return missing("remove", shown);
  json::value* parent = locate(root, path, path.size() - 1);
  if (parent->is_object()) {
    parent->get_object().stable_erase(path.back());
  } else {
    parent->get_array().erase(parent->get_array().begin() + static_cast<std::ptrdiff_t>(*index_of(path.back())));
  }
  return std::nullopt;
}

/// Numbers are equal when they mean the same (RFC 6902 §4.6).
bool same(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return a == b || a.to_number<double>() == b.to_number<double>();
  if (a.is_array() && b.is_array()) {
    const auto &x = a.get_array(), &y = b.get_array();
    if (x.size() != y.size()) return false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!same(x[i], y[i])) return false;
    }
    return true;
  }
  if (a.is_object() && b.is_object()) {
    const auto &x = a.get_object(), &y = b.get_object();
    if (x.size() != y.size()) return false;
    for (const auto& member : x) {
      const auto* other = y.if_contains(member.key());
      if (other == nullptr || !same(member.value(), *other)) return false;
    }
    return true;
  }
  return a == b;
}

struct Operation {
  std::string op, path_text, from_text;
  Pointer path, from;
  const json::value* value = nullptr;
};

Result<Operation> read_operation(const json::value& entry, const std::string& where) {
  const auto object = json::as_object(entry, where);
  if (!object) return object.error();
  Operation out;
  auto op = json::require_string(**object, "op", where);
  if (!op) return op.error();
  auto path = json::require_string(**object, "path", where);
  if (!path) return path.error();
  out.op = std::move(*op);
  out.path_text = std::move(*path);
  const auto bad_pointer = [&](const std::string& text, std::string_view name) {
    return Error(ErrorCode::kInvalidArgument, "not a JSON pointer: " + in_quotes(text),
                 where + "." + std::string(name));
  };
  auto pointer = parse_pointer(out.path_text);
  if (!pointer) return bad_pointer(out.path_text, "path");
  out.path = std::move(*pointer);
  if (out.op == "move" || out.op == "copy") {
    auto from = json::require_string(**object, "from", where);
    if (!from) return from.error();
    out.from_text = std::move(*from);
    pointer = parse_pointer(out.from_text);
    if (!pointer) return bad_pointer(out.from_text, "from");
    out.from = std::move(*pointer);
  } else if (out.op == "add" || out.op == "replace" || out.op == "test") {
    out.value = (*object)->if_contains("value");
    if (out.value == nullptr) return Error(ErrorCode::kInvalidArgument, "is required", where + ".value");
  } else if (out.op != "remove") {
    return Error(ErrorCode::kInvalidArgument, "unexpected kind: " + out.op, where + ".op");
  }
  return out;
}

Fault move_or_copy(json::value& root, const Operation& o, std::size_t& copied) {
  const json::value* source = locate(root, o.from, o.from.size());
  if (source == nullptr) return missing(o.op, o.from_text);
  if (o.op == "copy") {
    copied += json::write(*source).size();
    if (copied > kMaxCopied) {
      return "Unable to complete the copy, the accumulated size increase of copy is " + std::to_string(copied) +
             ", exceeding the limit " + std::to_string(kMaxCopied);
    }
    return add(root, o.path, o.path_text, json::value(*source));
  }
  const bool into_itself = o.path.size() > o.from.size() && std::equal(o.from.begin(), o.from.end(), o.path.begin());
  if (into_itself) return "move operation does not apply: " + in_quotes(o.from_text) + " can't be moved into itself";
  json::value v = *source;
  if (o.from.empty()) return std::nullopt;  // the whole onto the whole
  if (auto fault = remove(root, o.from, o.from_text)) return fault;
  return add(root, o.path, o.path_text, std::move(v));
}

Fault run(json::value& root, const Operation& o, std::size_t& copied) {
  if (o.op == "add") return add(root, o.path, o.path_text, *o.value);
  if (o.op == "remove") return remove(root, o.path, o.path_text);
  if (o.op == "move" || o.op == "copy") return move_or_copy(root, o, copied);
  json::value* target = locate(root, o.path, o.path.size());
  if (target == nullptr) return missing(o.op, o.path_text);
  if (o.op == "replace") {
    *target = *o.value;
  } else if (!same(*target, *o.value)) {
    return "testing value " + o.path_text + " failed: test failed";
  }
  return std::nullopt;
}

}  // namespace

Result<json::value> apply_json_patch(const json::value& target, const json::value& patch) {
  if (!patch.is_array()) return Error(ErrorCode::kInvalidArgument, "a JSON patch is a list of operations");
  const auto& list = patch.get_array();
  if (list.size() > kMaxOperations) {
    return Error(ErrorCode::kResourceExhausted, "The allowed maximum operations in a JSON patch is " +
                                                    std::to_string(kMaxOperations) + ", got " +
                                                    std::to_string(list.size()));
  }
  json::value out = target;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = "[" + std::to_string(i) + "]";
    const auto operation = read_operation(list[i], where);
    if (!operation) return operation.error();
    if (auto fault = run(out, *operation, copied)) return Error(ErrorCode::kInvalidArgument, *fault, where);
  }
  return out;
}

}  // namespace sedna::api
