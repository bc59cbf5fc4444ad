// One version of one object as the embedded server keeps it: the JSON text as it is sent, and what lists, watches and
// selectors look at without reading that text. Immutable once it is published; shared by index, history and answers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/base/buffer.hpp"

namespace sedna::store::embedded {

using api::Kind;
using api::Object;

struct Stored {
  const Kind* kind = nullptr;
  std::string key;  ///< "namespace/name", or the name
  std::uint64_t resource_version = 0;
  std::int64_t row = 0;  ///< of the table; the resourceVersion of its creation
  std::string text;
  std::size_t version_offset = 0;  ///< where the digits of metadata.resourceVersion are in `text`
  json::object labels;
  std::vector<std::pair<std::string_view, std::string>> fields;  ///< what field selectors may ask for, beside the names
  bool deleting = false;

  std::string_view ns() const;
  std::string_view name() const;
  /// The value of a field that selectors may ask for; "" when it is absent.
  std::string_view field(std::string_view path) const;
  /// The tree, made anew. Throws Error(kDataLoss) for a text that is not JSON.
  Object object() const;
};
using StoredPtr = std::shared_ptr<const Stored>;

/// The text as bytes that keep their object alive.
Bytes text_of(const StoredPtr& stored);

/// A version that has no resourceVersion yet: number_version() gives it one.
std::shared_ptr<Stored> make_stored(const Kind& kind, const Object& object);
void number_version(Stored& stored, std::uint64_t resource_version);
/// Instead of a number: of what was only tried (a dry run) and has no version.
void leave_without_version(Stored& stored);
/// The same object under another resourceVersion.
StoredPtr with_version(const Stored& stored, std::uint64_t resource_version);
/// From a row of the database.
std::shared_ptr<Stored> load_stored(const Kind& kind, std::int64_t row, std::uint64_t resource_version,
                                    std::string text);

/// What field selectors of a kind may ask for, beside metadata.name and metadata.namespace.
std::span<const std::string_view> selectable_fields(const Kind& kind);

}  // namespace sedna::store::embedded
