// Updates and models through an object store: the server's side.
//   POST …/rounds/{r}/updates/{client}/fetch   {"name": …, "size": …, "sha256": …}   answered as a PUT of the update is
#include <filesystem>
#include <utility>

#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/log.hpp"
#include "sedna/federated/round_plan.hpp"
#include "sedna/federated/server_answers.hpp"
#include "sedna/federated/server_impl.hpp"

namespace sedna::federated {

using serve::Request;
using serve::Response;

namespace {

constexpr std::size_t kDigest = 64;

struct Named {
  std::string name;
  std::string sha256;
  std::uint64_t size = 0;
};

Named read_named(std::string_view text) {
  const auto parsed = json::parse(text);
  if (!parsed || !parsed->is_object()) throw Error(ErrorCode::kInvalidArgument, "must be a JSON object", "body");
  const auto& o = parsed->as_object();
  const double size = json_number(o, "size");
  Named out{json_text(o, "name"), json_text(o, "sha256"), 0};
  if (!Exchange::is_update_name(out.name)) throw Error(ErrorCode::kInvalidArgument, "is no update's", "name");
  if (out.sha256.size() != kDigest) throw Error(ErrorCode::kInvalidArgument, "must be 64 hexadecimal digits", "sha256");
  if (!(size >= 1 && size <= 1e15)) throw Error(ErrorCode::kInvalidArgument, "must be above 0", "size");
  out.size = static_cast<std::uint64_t>(size);
  return out;
}

/// The header's text; empty where there is none, which no header is.
std::string header_of(const std::filesystem::path& file) {
  const Bytes bytes = map_file(file);
  if (bytes.size() < 8) return {};
  const auto size = tensor::safetensors_header_size(bytes.span().first(8));
  if (!size || *size + 8 > bytes.size()) return {};
  return std::string(bytes.text().substr(8, static_cast<std::size_t>(*size)));
}

}  // namespace

std::uint64_t AggregationServer::Impl::largest_update_locked() const {
  // Coded twice as large as uncoded, with as much again beside the weights, nothing is larger.
  std::uint64_t plain = 65536;
  for (const auto& entry : manifest.tensors) {
    plain += tensor::element_count(entry.shape, tensor::dtype_size(tensor::DType::kFp64)).value_or(0);
  }
  return 2 * plain;
}

net::Task<Response> AggregationServer::Impl::fetch_update(Request& request) {
  const auto number = whole_number(request.params[0]);
  if (!number || *number < 1 || *number > 1'000'000'000) {
    throw Error(ErrorCode::kInvalidArgument, "must be a round's number", "round");
  }
  const auto round = static_cast<std::int64_t>(*number);
  const std::string client = client_of(request, request.params[1]);
  if (!exchange) co_return answer(409, {{"result", "no_store"}, {"reason", "this job has no object store"}});
  const Named named = read_named(request.body.text());
  std::optional<Response> refusal;
  {
    const std::lock_guard lock(mutex);
    touch_locked(client);
    refusal = refuse_round_locked(client, round);
    const std::uint64_t most = options.features || !manifest.set ? options.max_message : largest_update_locked();
    if (!refusal && named.size > most) {
      refusal = error_answer(413, Error(ErrorCode::kResourceExhausted, "is larger than an update can be", "size"));
    }
  }
  if (refusal) co_return std::move(*refusal);
  auto work = [this, client, round, named] {
    return take_from_store(client, round, named.name, named.size, named.sha256);
  };
  co_return co_await exchange_pool->run(std::move(work));
}

Response AggregationServer::Impl::take_from_store(const std::string& client, std::int64_t round,
                                                  const std::string& name, std::uint64_t size,
                                                  const std::string& sha256) {
  std::filesystem::path file;
  try {
    file = exchange->get(name, size, sha256, staging_folder);
  } catch (const Error& error) {
    log::warning("an update cannot be fetched from the object store", {{"client", client}, {"error", error.what()}});
    return answer(424, {{"result", "not_fetched"}, {"reason", error.what()}});
  }
  Staging staging(budget, file);
  received_bytes.add(staging.size());
  {
    const std::lock_guard lock(mutex);
    round_bytes += staging.size();
    touch_locked(client);
  }
  const auto fits = check_upload_header(header_of(file), staging.size(), client, round);
  Response done;
  try {
    done = fits ? finish_upload(client, round, staging, {}) : refuse_upload(client, fits.error());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kResourceExhausted) throw;
    return full_answer(error);  // the object stays until there is room
  }
  exchange->remove(name);
  return done;
}

void AggregationServer::Impl::offer_model(const Published& fresh) {
  if (!exchange || fresh.none) return;
  try {
    exchange->put(Exchange::model_name(fresh.digest), fresh.parts);
  } catch (const Error& error) {
    log::warning("the model cannot be put into the object store; clients get it from here", {{"error", error.what()}});
    return;
  }
  // Slow clients may still want the one before.
  offered.push_back(fresh.digest);
  while (offered.size() > 2) {
    if (offered.front() != fresh.digest) exchange->remove(Exchange::model_name(offered.front()));
    offered.pop_front();
  }
}

}  // namespace sedna::federated
