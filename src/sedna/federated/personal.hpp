// Personalisation: parts of a client's model that are its own. Both clients of the aggregation server (RoundClient,
// AggregationClient) take a PersonalPart: what it keeps is cut out of every update before anything is written, and put
// back into every model that arrives. The server knows nothing of it: its model is what the clients share.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/federated/aggregation.hpp"
#include "sedna/federated/settings.hpp"

namespace sedna::federated {

/// Which tensors of a model stay with the client. One file each in personal/.
class PersonalRule {
 public:
  virtual ~PersonalRule() = default;
  virtual std::string_view name() const = 0;
  /// One flag a tensor. Throws Error(kInvalidArgument) when the model has no such tensors, or no others.
  virtual std::vector<bool> personal(const std::vector<std::string>& names) const = 0;
};

/// "FedBN", "FedBN,tensors=2+3", "FedPer,last=2", "FedPer,tensors=4+5". Throws Error(kNotFound, kInvalidArgument).
std::unique_ptr<PersonalRule> make_personal_rule(std::string_view text);

/// Not thread-safe; used by the thread that trains.
class PersonalPart {
 public:
  /// `file`: where the personal tensors survive a restart; empty: nowhere. An empty `rule`: nothing is personal.
  PersonalPart(const std::string& rule, std::filesystem::path file);

  bool active() const { return rule_ != nullptr; }
  /// The client's whole model, once, before all else: says which tensors there are, and what the personal ones are at
  /// first (unless the file knows better). Throws Error(kDataLoss) when the file is of another model.
  void adopt(const Weights& model);
  bool adopted() const { return !flags_.empty(); }
  /// The indices of the tensors that stay.
  std::vector<std::size_t> indices() const;
  /// The tensors of a whole model that may leave. After training: remembers the others, in the file as well.
  Weights shared(const Weights& model);
  /// The whole model around these shared tensors.
  Weights whole(const Weights& shared) const;

 private:
  void save() const;
  std::unique_ptr<PersonalRule> rule_;
  std::filesystem::path file_;
  std::vector<bool> flags_;
  Weights own_;  ///< the personal tensors, in their order
};

/// Ditto's personal model: see personal/ditto.cpp. For trainers in C++; a client trains it beside the shared model.
class Ditto {
 public:
  /// `lambda`: how near it stays to the shared model; 0: trains alone. `file` as above.
  Ditto(double lambda, std::filesystem::path file);
  /// The personal model; the shared one until it has been trained for the first time.
  const Weights& begin(const Weights& shared);
  /// The gradient to step along at `v`: g + lambda (v − w), element by element of one tensor.
  double gradient(double g, double v, double w) const { return g + lambda_ * (v - w); }
  tensor::Tensor gradient(const tensor::Tensor& g, const tensor::Tensor& v, const tensor::Tensor& w) const;
  /// Keeps what was trained, in the file as well.
  void keep(Weights trained);

 private:
  double lambda_;
  std::filesystem::path file_;
  Weights own_;
};

/// Where a client's personal tensors lie; empty without a folder.
std::filesystem::path personal_file(const std::string& folder, const std::string& client);

/// Tensors in a file of the client's own, written whole or not at all; read back with copies of their bytes. Nothing
/// when there is no file.
void save_own_tensors(const std::filesystem::path& file, const Weights& tensors);
Weights load_own_tensors(const std::filesystem::path& file);

/// "2+3" as indices below `count`; throws Error(kInvalidArgument, `subject`).
std::vector<std::size_t> tensor_indices(const std::string& text, std::size_t count, const std::string& subject);

// The rules, one file each.
std::unique_ptr<PersonalRule> make_fedbn(Settings& settings);
std::unique_ptr<PersonalRule> make_fedper(Settings& settings);

}  // namespace sedna::federated
