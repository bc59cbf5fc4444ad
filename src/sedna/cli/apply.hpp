// `sedna apply`: makes the server's objects what the files say, by the same three-way merge and the same annotation as
// kubectl's client-side apply, so that the two may be mixed on one object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/manifests.hpp"

namespace sedna::cli {

inline constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/// What is to be sent so that `current` (the server's) becomes `modified` (the file's): what differs is set, what
/// `original` (last applied; may be empty) had and `modified` no longer has is removed, what others set stays. RFC
/// 7386; an empty object when there is nothing to do. A list is replaced whole, but not for fields that the server
/// added within its elements.
json::object three_way_merge_patch(const json::object& original, const json::object& modified,
                                   const json::object& current);

/// The annotation's value for a document: JSON with sorted keys, as kubectl writes it.
std::string last_applied_text(const api::Object& document);

struct ApplyOptions {
  ApplyOptions() {}
  std::string ns;         ///< for documents that name none
  bool ns_given = false;  ///< by -n: documents must not name another
  enum class DryRun : std::uint8_t { kNone, kClient, kServer } dry_run = DryRun::kNone;
  store::FieldValidation field_validation = store::FieldValidation::kStrict;
};

enum class Applied : std::uint8_t { kCreated, kConfigured, kUnchanged };
std::string_view word_of(Applied applied);

struct ApplyResult {
  Applied applied = Applied::kUnchanged;
  api::Object object;                 ///< as the server has it now
  std::vector<std::string> warnings;  ///< what it dropped or advises
};

/// One document. The failure is the server's, or a Status that says what is wrong with the document.
store::Outcome<ApplyResult> apply(Cluster& cluster, const Manifest& manifest, const ApplyOptions& options);

/// A Status as lines for a person: its message, then each cause with its field.
std::string explain_failure(const store::Status& status);

}  // namespace sedna::cli
