// One request to an API server as data, and its answer with what must differ taken out: the language of the scripts and
// of the differential test.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sedna/json/json.hpp"

#include "tests/conformance/home.hpp"

namespace sedna::conformance {

/// Runs operations in one namespace of one home, and remembers versions and uids for the operations that refer to them.
///
///   create: {whole object}          status: true: the status subresource
///   update: {whole object}          options: fieldValidation, dryRun, uid, resourceVersion, gracePeriodSeconds,
///   patch: Kind/name                         propagation, labelSelector, fieldSelector, limit, continue
///   get: Kind/name                  type, body: of a patch (merge, json, strategic)
///   delete: Kind/name
///   list: Kind                      loosely: why only code and reason of a failure are compared
///
/// In texts $rv:Kind/name and $uid:Kind/name stand for what was last seen of that object, $rv:Kind/name@first for what
/// was seen first, $ns for the namespace, $continue for the last list's token.
///
/// Taken out of answers, because it must differ: uid, resourceVersion, creationTimestamp, deletionTimestamp (replaced
/// by a word, so that presence is compared), managedFields, the version of what a dry run did not store; inside
/// messages the namespace's name, versions, whole objects, differences shown as Go's structures and etcd's own words;
/// of causes their order and that they are told twice; warnings of what failed, and those about pod templates. Of a
/// deletion only the name and whether it is under way is compared: for custom resources a face answers with less than
/// the engine in process.
class Player {
 public:
  Player(Home& home, std::string ns) : home_(home), ns_(std::move(ns)) {}

  /// The answer: {"object": …}, {"list": …}, {"deleted": …} or {"failure": the Status}, each perhaps with "warnings".
  json::object run(const json::object& operation);
  /// False when only a face can be asked this.
  static bool needs_face(const json::object& operation);

 private:
  json::object ask(const json::object& operation);
  json::value substitute(const json::value& v) const;
  std::string substitute_text(std::string_view text) const;
  json::object answer(const store::Outcome<api::Object>& outcome, const std::vector<std::string>& warnings);
  json::object failure(const store::Status& status) const;
  json::object cleaned(api::Object object) const;
  json::value cleaned_value(const json::value& v) const;
  std::string cleaned_text(std::string text) const;
  void remember(const api::Object& object);

  Home& home_;
  const std::string ns_;
  std::map<std::string, std::string, std::less<>> known_;  ///< "$rv:ConfigMap/a" → "17"
  std::string continue_;
};

/// What differs, one path after the other; key order says nothing. Empty when nothing does.
std::string difference(const json::value& wanted, const json::value& got, const std::string& where = {});

/// The kind that a script's word names; throws Error.
const api::Kind& kind_named(std::string_view word);

}  // namespace sedna::conformance
