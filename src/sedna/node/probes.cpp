#include "sedna/node/probes.hpp"

#include <algorithm>

#include "sedna/base/log.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/net/resolve.hpp"
#include "sedna/net/transport.hpp"

namespace sedna::node {

namespace {

std::uint16_t port_of(const json::object& container, const json::object& handler) {
  const auto* port = handler.if_contains("port");
  if (port == nullptr) return 0;
  if (port->is_int64()) return static_cast<std::uint16_t>(port->get_int64());
  if (!port->is_string()) return 0;
  if (const auto* ports = api::array_at(container, {"ports"})) {
    for (const auto& p : *ports) {
      if (p.is_object() && api::string_at(p.get_object(), {"name"}) == std::string_view(port->get_string()))
        return static_cast<std::uint16_t>(api::int_at(p.get_object(), {"containerPort"}));
    }
  }
  return 0;
}

std::string host_text(const std::string& host) {
  return host.find(':') != std::string::npos ? "[" + host + "]" : host;
}

ProbeResult probe_http(const ProbeSpec& spec, const std::string& ip, Deadline deadline) {
  net::HttpClientOptions options;
  options.tls.verify = false;  // as kubelet: a probe asks whether it answers, not who
  options.max_idle = 0;
  options.connect_timeout = spec.timeout;
  options.max_response_body = 64 * 1024;
  options.user_agent = "kube-probe/sedna";
  const std::string host = spec.host.empty() ? ip : spec.host;
  net::HttpClient client(spec.scheme + "://" + host_text(host) + ":" + std::to_string(spec.port), options);
  net::HttpRequest request;
  request.target = spec.path;
  for (const auto& [name, value] : spec.headers) request.headers.add(name, value);
  const auto answer = client.exchange(request, deadline);
  ProbeResult out;
  if (answer.failure) {
    out.message = "Get \"" + spec.scheme + "://" + host_text(host) + ":" + std::to_string(spec.port) + spec.path +
                  "\": " + answer.failure->error.message();
  } else if (answer.response->status >= 200 && answer.response->status < 400) {
    out.ok = true;
  } else {
    out.message = "HTTP probe failed with statuscode: " + std::to_string(answer.response->status);
  }
  return out;
}

ProbeResult probe_tcp(const ProbeSpec& spec, const std::string& ip, Deadline deadline) {
  ProbeResult out;
  const std::string host = spec.host.empty() ? ip : spec.host;
  auto addresses = net::resolve(host, spec.port, deadline);
  if (!addresses) {
    out.message = addresses.error().message();
    return out;
  }
  auto connected = net::connect_tcp(*addresses, deadline);
  out.ok = connected.has_value();
  if (!out.ok) out.message = "dial tcp " + host + ":" + std::to_string(spec.port) + ": " + connected.error().message();
  return out;
}

}  // namespace

ProbeSpec read_handler(const json::object& container, const json::object& handler) {
  ProbeSpec out;
  if (const auto* exec = api::object_at(handler, {"exec"})) {
    out.kind = ProbeSpec::Kind::kExec;
    if (const auto* words = api::array_at(*exec, {"command"})) {
      for (const auto& word : *words) {
        if (word.is_string()) out.command.emplace_back(word.get_string());
      }
    }
  } else if (const auto* http = api::object_at(handler, {"httpGet"})) {
    out.kind = ProbeSpec::Kind::kHttp;
    out.scheme = api::string_at(*http, {"scheme"}) == "HTTPS" ? "https" : "http";
    out.host = api::string_at(*http, {"host"});
    out.path = api::string_at(*http, {"path"}, "/");
    if (!out.path.starts_with('/')) out.path.insert(0, "/");
    out.port = port_of(container, *http);
    if (const auto* headers = api::array_at(*http, {"httpHeaders"})) {
      for (const auto& h : *headers) {
        if (h.is_object())
          out.headers.emplace_back(api::string_at(h.get_object(), {"name"}), api::string_at(h.get_object(), {"value"}));
      }
    }
  } else if (const auto* tcp = api::object_at(handler, {"tcpSocket"})) {
    out.kind = ProbeSpec::Kind::kTcp;
    out.host = api::string_at(*tcp, {"host"});
    out.port = port_of(container, *tcp);
  }
  return out;
}

std::optional<ProbeSpec> read_probe(const json::object& container, std::string_view name) {
  const auto* probe = api::object_at(container, {name});
  if (probe == nullptr) return std::nullopt;
  ProbeSpec out = read_handler(container, *probe);
  const auto seconds = [&](std::string_view field, std::int64_t fallback, std::int64_t least) {
    return std::chrono::seconds(std::max(least, api::int_at(*probe, {field}, fallback)));
  };
  out.initial_delay = seconds("initialDelaySeconds", 0, 0);
  out.period = seconds("periodSeconds", 10, 1);
  out.timeout = seconds("timeoutSeconds", 1, 1);
  out.success_threshold = static_cast<int>(std::max<std::int64_t>(1, api::int_at(*probe, {"successThreshold"}, 1)));
  out.failure_threshold = static_cast<int>(std::max<std::int64_t>(1, api::int_at(*probe, {"failureThreshold"}, 3)));
  return out;
}

ProbeResult run_probe(const ProbeSpec& spec, const ProbeTarget& target) {
  const auto deadline = Deadline::after(spec.timeout);
  ProbeResult out;
  try {
    switch (spec.kind) {
      case ProbeSpec::Kind::kExec:
        return target.exec(spec.command, deadline);
      case ProbeSpec::Kind::kHttp:
        return probe_http(spec, target.ip, deadline);
      case ProbeSpec::Kind::kTcp:
        return probe_tcp(spec, target.ip, deadline);
      case ProbeSpec::Kind::kUnknown:
        break;
    }
    out.message = "this home has exec, httpGet and tcpSocket probes";
  } catch (const std::exception& error) {
    out.message = error.what();
  }
  return out;
}

Prober::Prober(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Prober::~Prober() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (auto& thread : threads_) thread.join();
}

void Prober::add(const std::string& key, const ProbeSpec& spec, ProbeTarget target, Callback callback) {
  const std::lock_guard lock(mutex_);
  if (entries_.contains(key)) return;
  auto entry = std::make_shared<Entry>();
  entry->spec = spec;
  entry->target = std::move(target);
  entry->callback = std::move(callback);
  entry->next = SteadyClock::now() + spec.initial_delay;
  entries_[key] = std::move(entry);
  wake_.notify_all();
}

void Prober::remove(const std::string& key) {
  const std::lock_guard lock(mutex_);
  entries_.erase(key);
}

void Prober::remove_all(const std::string& prefix) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& one) { return one.first.starts_with(prefix); });
}

bool Prober::has(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return entries_.contains(key);
}

void Prober::run(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  wake_.notify_one();
}

void Prober::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!tasks_.empty()) {
      const auto task = std::move(tasks_.front());
      tasks_.erase(tasks_.begin());
      lock.unlock();
      task();
      lock.lock();
      continue;
    }
    auto next = SteadyClock::time_point::max();
    std::string due_key;
    std::shared_ptr<Entry> due;
    for (const auto& [key, entry] : entries_) {
      if (entry->busy || entry->next >= next) continue;
      next = entry->next;
      due_key = key;
      due = entry;
    }
    if (due == nullptr) {
      wake_.wait(lock);
      continue;
    }
    if (next > SteadyClock::now()) {
      wake_.wait_until(lock, next);
      continue;
    }
    due->busy = true;
    lock.unlock();
    const auto result = run_probe(due->spec, due->target);
    lock.lock();
    due->busy = false;
    due->next = SteadyClock::now() + due->spec.period;
    const auto still = entries_.find(due_key);
    if (still == entries_.end() || still->second != due) continue;  // removed meanwhile: nobody wants the answer
    const auto callback = due->callback;
    lock.unlock();
    callback(result);
    lock.lock();
    wake_.notify_all();
  }
}

}  // namespace sedna::node
