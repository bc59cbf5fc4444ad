#include "sedna/json/duplicates.hpp"

#include <unordered_map>
#include <utility>

namespace sedna::json {
namespace {

class DuplicateFinder {
 public:
  explicit DuplicateFinder(Scanner& scanner) : scanner_(scanner) {}

  /// False when the text can't be read.
  bool walk() {
    const Token token = scanner_.peek();
    if (token == Token::kObject) return walk_object();
    if (token == Token::kArray) return walk_array();
    return scanner_.skip_value();
  }
  std::vector<std::string> take() { return std::move(found_); }

 private:
  bool walk_object() {
    if (!scanner_.enter()) return false;
    bool first = true;
    std::string key;
    std::unordered_map<std::string, int> seen;
    const std::size_t before = path_.size();
    while (scanner_.next_member(first, key)) {
      if (before > 0) path_.push_back('.');
      path_.append(key);
      if (++seen[key] == 2) found_.push_back(path_);
      if (!walk()) return false;
      path_.resize(before);
    }
    return !scanner_.failed();
  }

  bool walk_array() {
    if (!scanner_.enter()) return false;
    bool first = true;
    const std::size_t before = path_.size();
    for (std::size_t i = 0; scanner_.next_element(first); ++i) {
      path_.append("[").append(std::to_string(i)).append("]");
      if (!walk()) return false;
      path_.resize(before);
    }
    return !scanner_.failed();
  }

  Scanner& scanner_;
  std::string path_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> duplicate_members(std::string_view text, const Limits& limits) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Scanner scanner(text, limits);
  DuplicateFinder finder(scanner);
  static_cast<void>(finder.walk());  // what can't be read has no members to tell of
  return finder.take();
}

}  // namespace sedna::json
