// Inside api only: where a walk through an object stands, as links on the stack; the text is made only when a fault is
// told. Objects are walked at every write, and faults are rare.
#pragma once

#include <string>
#include <string_view>

namespace sedna::api {

class FieldPath {
 public:
  FieldPath() = default;
  /// The parent and the name must outlive this.
  FieldPath(const FieldPath& parent, std::string_view name) : parent_(&parent), name_(name) {}
  FieldPath(const FieldPath& parent, std::size_t index) : parent_(&parent), index_(index), is_index_(true) {}
  FieldPath(const FieldPath&) = delete;
  FieldPath& operator=(const FieldPath&) = delete;

  /// "spec.containers[0].name"
  std::string text() const {
    if (parent_ == nullptr) return std::string(name_);
    std::string out = parent_->text();
    if (is_index_) return out.append("[").append(std::to_string(index_)).append("]");
    if (!out.empty()) out.push_back('.');
    return out.append(name_);
  }

 private:
  const FieldPath* parent_ = nullptr;
  std::string_view name_;
  std::size_t index_ = 0;
  bool is_index_ = false;
};

}  // namespace sedna::api
