#include "sedna/tensor/predict_body.hpp"

#include <algorithm>
#include <cctype>

#include "sedna/json/json.hpp"

namespace sedna::tensor {
namespace {

using json::Scanner;
using json::Token;

/// Upstream echoes the whole faulty document; ours stops here, so that a huge body has no huge answer.
constexpr std::size_t kMaxEcho = 4096;

json::value problem(json::array loc, std::string_view msg, std::string_view type) {
  json::object detail;
  detail["loc"] = std::move(loc);
  detail["msg"] = msg;
  detail["type"] = type;
  return detail;
}

PredictRefusal refusal(json::array problems) {
  json::object body;
  body["detail"] = std::move(problems);
  return {422, json::write(body)};
}

PredictRefusal refusal(json::value only) {
  json::array problems;
  problems.push_back(std::move(only));
  return refusal(std::move(problems));
}

PredictRefusal not_json(const json::SyntaxError& error, std::string_view text) {
  if (error.limit) {
    json::object body;
    body["detail"] = error.message;
    return {413, json::write(body)};
  }
  if (error.message.starts_with("invalid UTF-8")) return {400, "{\"detail\":\"There was an error parsing the body\"}"};
  const auto at = error.position(text);
  json::object context;
  context["msg"] = error.message;
  std::size_t echo = std::min(text.size(), kMaxEcho);
  while (echo < text.size() && echo > 0 && (static_cast<unsigned char>(text[echo]) & 0xC0) == 0x80) --echo;
  context["doc"] = text.substr(0, echo);
  context["pos"] = static_cast<std::int64_t>(at.character);
  context["lineno"] = static_cast<std::int64_t>(at.line);
  context["colno"] = static_cast<std::int64_t>(at.column);
  json::object detail;
  detail["loc"] = json::array{"body", static_cast<std::int64_t>(at.character)};
  detail["msg"] = error.to_error(text).message();
  detail["type"] = "value_error.jsondecode";
  detail["ctx"] = std::move(context);
  return refusal(json::value(std::move(detail)));
}

bool is_json_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  return type.empty() || type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
}

/// Reads the members; false after a syntax error.
class MemberReader {
 public:
  MemberReader(Scanner& scanner, const Bytes& body) : scanner_(scanner), body_(body) {}

  bool read() {
    if (!scanner_.enter()) return false;
    bool first = true;
    std::string key;
    while (scanner_.next_member(first, key)) {
      const Token token = scanner_.peek();
      if (token == Token::kNone) return false;
      const std::size_t start = offset();
      if (key == "data") {
        if (!read_data(token, start)) return false;
      } else if (key == "callback") {
        if (!read_callback(token)) return false;
      } else {
        if (!scanner_.skip_value()) return false;
        const std::string_view text = body_.text().substr(start, offset() - start);
        const auto earlier = std::find_if(result.others.begin(), result.others.end(),
                                          [&](const auto& other) { return other.first == key; });
        if (earlier != result.others.end())
          earlier->second = text;  // as Python: the last one wins
        else
          result.others.emplace_back(key, text);
      }
    }
    return !scanner_.failed();
  }

  /// What is wrong with the fields, data first as upstream declares it.
  json::array problems() const {
    json::array all;
    if (!data_seen_) {
      all.push_back(problem({"body", "data"}, "field required", "value_error.missing"));
    } else if (data_null_) {
      all.push_back(problem({"body", "data"}, "none is not an allowed value", "type_error.none.not_allowed"));
    } else if (!data_list_) {
      all.push_back(problem({"body", "data"}, "value is not a valid list", "type_error.list"));
    }
    if (callback_bad_) all.push_back(problem({"body", "callback"}, "str type expected", "type_error.str"));
    return all;
  }

  PredictBody result;

 private:
  std::size_t offset() const { return static_cast<std::size_t>(scanner_.here() - body_.text().data()); }

  bool read_data(Token token, std::size_t start) {
    data_seen_ = true;
    data_null_ = token == Token::kNull;
    data_list_ = token == Token::kArray;
    if (!data_list_) return scanner_.skip_value();
    std::optional<JsonArray> data = read_array(scanner_);
    if (!data) return false;
    result.data = std::move(*data);
    result.data_text = body_.slice(start, offset() - start);
    return true;
  }

  bool read_callback(Token token) {
    callback_bad_ = false;
    result.callback.reset();
    switch (token) {
      case Token::kString:
        return scanner_.read_string(result.callback.emplace());
      case Token::kNull:
        break;
      case Token::kTrue:
        result.callback = "True";
        break;
      case Token::kFalse:
        result.callback = "False";
        break;
      case Token::kNan:
        result.callback = "nan";
        break;
      case Token::kInfinity:
        result.callback = "inf";
        break;
      case Token::kMinusInfinity:
        result.callback = "-inf";
        break;
      case Token::kNumber: {
        const char* const at = scanner_.here();
        json::Number number;
        if (!scanner_.read_number(number)) return false;
        result.callback.emplace(at, scanner_.here());
        if (number.kind == json::Number::Kind::kDouble) {
          result.callback->clear();
          json::append_number(*result.callback, number.d);
        }
        return true;
      }
      default:
        callback_bad_ = true;
        return scanner_.skip_value();
    }
    scanner_.take_literal(token);
    return true;
  }

  Scanner& scanner_;
  const Bytes& body_;
  bool data_seen_ = false;
  bool data_null_ = false;
  bool data_list_ = false;
  bool callback_bad_ = false;
};

}  // namespace

std::variant<PredictBody, PredictRefusal> parse_predict_body(const Bytes& body, std::string_view content_type,
                                                             const json::Limits& limits) {
  if (body.empty()) return refusal(problem({"body"}, "field required", "value_error.missing"));
  if (!is_json_type(content_type)) return refusal(problem({"body"}, "value is not a valid dict", "type_error.dict"));
  std::string_view text = body.text();
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  json::Limits python = limits;
  python.allow_nan = true;
  Scanner scanner(text, python);
  const Token token = scanner.peek();
  MemberReader reader(scanner, body);
  const bool ok = token == Token::kObject ? reader.read() : token != Token::kNone && scanner.skip_value();
  if (!ok || !scanner.finish()) return not_json(scanner.failure(), text);
  if (token == Token::kNull) return refusal(problem({"body"}, "field required", "value_error.missing"));
  if (token != Token::kObject) return refusal(problem({"body"}, "value is not a valid dict", "type_error.dict"));
  if (json::array problems = reader.problems(); !problems.empty()) return refusal(std::move(problems));
  return std::move(reader.result);
}

std::string make_predict_body(std::string_view others, std::string_view data) {
  std::string body(others);
  while (!body.empty() && body.back() != '}') body.pop_back();
  SEDNA_CHECK(!body.empty());
  body.pop_back();
  while (!body.empty() && body.back() == ' ') body.pop_back();
  if (body.back() != '{') body += ", ";
  body += "\"data\": ";
  body += data;
  body += '}';
  return body;
}

}  // namespace sedna::tensor
