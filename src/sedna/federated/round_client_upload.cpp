// RoundClient's uploader: sends updates, and keeps what coding has not sent yet.
#include <algorithm>
#include <utility>

#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/federated/client_options.hpp"
#include "sedna/federated/round_client_impl.hpp"
#include "sedna/federated/staging.hpp"
#include "sedna/federated/update_file.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {

namespace {

constexpr auto kFirstPause = std::chrono::milliseconds(100);
constexpr auto kAnswer = std::chrono::seconds(30);
constexpr auto kTransfer = std::chrono::hours(24);  ///< the server's lack of progress ends it much earlier

}  // namespace

void RoundClient::Impl::upload_all() {
  std::unique_lock lock(mutex);
  Retries retries(kFirstPause, std::nullopt, SteadyClock::now());
  while (true) {
    changed.wait(lock, [this] { return closing || end_reason || (pending && !pending->done); });
    if (closing || end_reason) return;
    const auto job = pending;
    uploading = true;
    lock.unlock();
    const bool settled = upload(*job);
    lock.lock();
    uploading = false;
    changed.notify_all();
    if (settled) {
      retries.reached(SteadyClock::now());
      continue;
    }
    const auto pause = retries.next(SteadyClock::now());
    changed.wait_for(lock, *pause, [&] { return closing || end_reason || pending != job || job->done; });
  }
}

bool RoundClient::Impl::upload(Pending& job) {
  const std::string target =
      path("/rounds/") + std::to_string(job.round) + "/updates/" + net::percent_encode(options.client_id);
  std::uint64_t offset = 0;
  if (tried == &job) {
    // After a break: how far did it come?
    const auto state = call("GET", target, {}, kAnswer);
    if (!state.response) return false;
    if (settle(job, *state.response, true)) return true;
    const auto parsed = json::parse(state.response->body.text());
    if (!parsed || !parsed->is_object()) return false;
    if (json_text(parsed->as_object(), "result") == "busy") return false;
    if (auto why = json_text(parsed->as_object(), "rejected"); !why.empty()) {
      refuse(job, std::move(why));
      return true;
    }
    offset = static_cast<std::uint64_t>(json_number(parsed->as_object(), "offset"));
    if (offset >= job.size) offset = 0;
  }
  tried = &job;
  if (const auto settled = upload_through_store(job, target)) return *settled;
  net::Headers headers = {{"Content-Type", "application/octet-stream"}};
  std::vector<Bytes> body;
  std::uint64_t at = 0;
  for (const Bytes& part : job.parts) {
    if (at + part.size() > offset) {
      const std::size_t skip = offset > at ? static_cast<std::size_t>(offset - at) : 0;
      body.push_back(part.slice(skip, part.size() - skip));
    }
    at += part.size();
  }
  if (offset > 0) {
    headers.add("Content-Range", "bytes " + std::to_string(offset) + "-" + std::to_string(job.size - 1) + "/" +
                                     std::to_string(job.size));
    const std::lock_guard lock(mutex);
    ++resumed;
  }
  net::HttpRequest request;
  request.method = "PUT";
  request.target = target;
  request.body = std::move(body);
  request.headers = std::move(headers);
  request.resumable = true;
  const auto outcome = http.exchange(request, Deadline::after(kTransfer));
  if (!outcome.response) {
    log::debug("an upload has broken off", {{"error", outcome.failure->error.what()}});
    return false;
  }
  sent += job.size - offset;
  return settle(job, *outcome.response, false);
}

std::optional<bool> RoundClient::Impl::upload_through_store(Pending& job, const std::string& target) {
  if (!exchange || job.direct || job.round == 0) return std::nullopt;
  Sha256 sha;
  for (const Bytes& part : job.parts) sha.update(part.span());
  const std::string digest = sha.finish();
  if (job.object.empty()) {
    const std::string name = Exchange::update_name();
    try {
      exchange->put(name, job.parts);
    } catch (const Error& error) {
      log::warning("the object store does not take the update; it goes to the server itself",
                   {{"error", error.what()}});
      job.direct = true;
      return std::nullopt;
    }
    sent += job.size;
    job.object = name;
  }
  const std::string about = json::write(json::object{{"name", job.object}, {"size", job.size}, {"sha256", digest}});
  const auto outcome = call("POST", target + "/fetch", {Bytes::from_string(about)}, kTransfer);
  if (!outcome.response) return false;
  const int status = outcome.response->status;
  if (status == 404 || status == 424 ||
      (status == 409 && reason_in(*outcome.response) == "this job has no object store")) {
    log::warning("the server does not take the update from the object store; it goes to the server itself",
                 {{"status", status}, {"reason", reason_in(*outcome.response)}});
    exchange->remove(job.object);
    job.direct = true;
    return std::nullopt;
  }
  const bool settled = settle(job, *outcome.response, false);
  if (settled) ++exchanged;
  return settled;
}

bool RoundClient::Impl::settle(Pending& job, const net::HttpResponse& response, bool only_asked) {
  const auto parsed = json::parse(response.body.text());
  const std::string result = parsed && parsed->is_object() ? json_text(parsed->as_object(), "result") : std::string();
  if (result == "committed" || result == "duplicate") {
    const std::lock_guard lock(mutex);
    job.done = job.committed = true;
    job.into = parsed->as_object().contains("round")
                   ? static_cast<std::int64_t>(json_number(parsed->as_object(), "round"))
                   : job.round;
    job.epoch = static_cast<std::int64_t>(json_number(parsed->as_object(), "epoch"));
    changed.notify_all();
    return true;
  }
  if (result == "refused" || result == "conflict" || result == "quarantined") {
    refuse(job, reason_in(response));
    return true;
  }
  if (result == "late" || result == "finished" || result == "not_chosen") {
    const std::lock_guard lock(mutex);
    job.done = true;
    job.over = result == "finished";
    if (options.site)
      log::warning("this site's sum is not counted", {{"round", job.round}, {"reason", reason_in(response)}});
    changed.notify_all();
    return true;
  }
  if (result == "full" && job.told_full != reason_in(response)) {
    job.told_full = reason_in(response);
    log::warning("the aggregation server has no room for the update; it is sent again until there is",
                 {{"round", job.round}, {"reason", job.told_full}});
  }
  if (only_asked || result == "offset" || result == "full" || result == "busy") return false;
  if (response.status >= 400 && response.status < 500 && response.status != 429 && response.status != 408 &&
      result.empty() && response.status != 400) {
    refuse(job, "status " + std::to_string(response.status) + ": " + reason_in(response));
    return true;
  }
  return false;
}

void RoundClient::Impl::refuse(Pending& job, std::string reason) {
  const std::lock_guard lock(mutex);
  job.done = true;
  refusal = std::move(reason);
  changed.notify_all();
}

// ---- what coding has lost so far -----------------------------------------------------------------------------------

std::filesystem::path RoundClient::Impl::residual_file() const {
  return std::filesystem::path(options.state_folder) / (net::percent_encode(options.client_id) + ".residual");
}

void RoundClient::Impl::load_residual() {
  if (options.state_folder.empty() || !std::filesystem::exists(residual_file())) return;
  const auto read = tensor::read_safetensors(map_file(residual_file()));
  if (!read) throw read.error().within(residual_file().string());
  for (const auto& tensor : read->tensors) {
    if (tensor.dtype != tensor::DType::kFp32) continue;
    const auto values = tensor.as<float>();
    residual.emplace_back(values.begin(), values.end());
  }
}

void RoundClient::Impl::save_residual() const {
  if (options.state_folder.empty() || residual.empty()) return;
  Weights tensors;
  for (std::size_t i = 0; i < residual.size(); ++i) {
    tensor::Tensor tensor;
    tensor.name = std::to_string(i);
    tensor.shape = {static_cast<std::int64_t>(residual[i].size())};
    tensor.data = Bytes::unowned(std::as_bytes(std::span(residual[i])));
    tensors.push_back(std::move(tensor));
  }
  storage::AtomicFile file(residual_file(), 0600);
  for (const Bytes& part : tensor::write_safetensors(tensors, {})) file.write(part.span());
  file.commit();
}

void RoundClient::Impl::settle_residual() {
  if (!pending || next_residual.empty()) return;
  if (pending->committed) residual = std::move(next_residual);
  next_residual.clear();
  if (pending->committed) save_residual();
}

}  // namespace sedna::federated
