// The API server and its yardsticks, for bench/run.py: `create` and `list` ask a running server; `commit`, `loop` and
// `rows` do the least that the same bytes and the same durability need. Each prints JSON objects, one a line.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <openssl/ssl.h>

#include "sedna/base/error.hpp"
#include "sedna/identity/ca.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/net/tls.hpp"
#include "sedna/store/embedded/sqlite.hpp"

namespace {

using namespace sedna;
using Clock = std::chrono::steady_clock;
using store::embedded::Sqlite;
using store::embedded::Statement;

double micros(Clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double thread_cpu() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Processor seconds of a whole process, in nanoseconds' steps; nothing for pid 0.
double process_cpu(pid_t pid) {
  clockid_t clock{};
  timespec t{};
  if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::string object_text(const std::string& name, std::size_t size) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name + R"(","namespace":"default"},)" +
         R"("data":{"key":")" + std::string(size, 'x') + "\"}}";
}

/// A table and durability as the server's own.
class Table {
 public:
  explicit Table(const std::string& folder) : db_(folder + "/yardstick.db") {
    db_.execute("PRAGMA locking_mode=EXCLUSIVE");
    db_.query_text("PRAGMA journal_mode=WAL");
    db_.execute("PRAGMA synchronous=FULL");
    db_.execute("CREATE TABLE objects(id INTEGER PRIMARY KEY, data TEXT NOT NULL)");
    begin_ = std::make_unique<Statement>(db_, "BEGIN IMMEDIATE");
    commit_ = std::make_unique<Statement>(db_, "COMMIT");
    insert_ = std::make_unique<Statement>(db_, "INSERT INTO objects(data) VALUES(?1)");
  }
  void begin() { begin_->run(); }
  void insert(std::string_view text) { insert_->bind(1, text).run(); }
  void commit() { commit_->run(); }

 private:
  Sqlite db_;
  std::unique_ptr<Statement> begin_, commit_, insert_;
};

void write_whole(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) throw Error(ErrorCode::kUnavailable, "a socket broke");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool read_whole(int fd, char* into, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::recv(fd, into, size, 0);
    if (n <= 0) return false;
    into += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

/// One commit of the bytes, then one echo of them over TLS, again and again.
int commit_and_echo(const std::string& folder, int count, std::size_t size) {
  const auto authority = identity::CertificateAuthority::create("bench");
  identity::CertificateRequest request;
  request.name = "bench";
  request.hosts = {"127.0.0.1"};
  const auto issued = authority.issue(request);
  identity::write_private(folder + "/cert.pem", issued.certificate);
  identity::write_private(folder + "/key.pem", issued.key);
  net::TlsServerFiles files;
  files.cert_file = folder + "/cert.pem";
  files.key_file = folder + "/key.pem";
  net::TlsClientOptions trust;
  trust.ca_pem = authority.certificate();
  const auto server_context = net::TlsContext::server(files);
  const auto client_context = net::TlsContext::client(trust);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) throw Error(ErrorCode::kInternal, "no socket pair");
  const std::size_t whole = object_text("object-00000", size).size();
  std::thread echo([&] {
    SSL* tls = SSL_new(server_context.native());
    SSL_set_fd(tls, ends[1]);
    std::vector<char> buffer(whole);
    if (SSL_accept(tls) == 1) {
      for (std::size_t have = 0;;) {
        const int n = SSL_read(tls, buffer.data() + have, static_cast<int>(whole - have));
        if (n <= 0) break;
        have += static_cast<std::size_t>(n);
        if (have < whole) continue;
        if (SSL_write(tls, buffer.data(), static_cast<int>(whole)) <= 0) break;
        have = 0;
      }
    }
    SSL_free(tls);
    ::close(ends[1]);
  });
  SSL* tls = SSL_new(client_context.native());
  SSL_set_fd(tls, ends[0]);
  SSL_set_verify(tls, SSL_VERIFY_NONE, nullptr);
  if (SSL_connect(tls) != 1) throw Error(ErrorCode::kUnavailable, "no TLS session");
  Table table(folder);
  std::vector<double> times;
  std::vector<char> buffer(whole);
  for (int i = 0; i < count; ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "object-%05d", i % 100000);
    const std::string text = object_text(name, size);
    const auto start = Clock::now();
    table.begin();
    table.insert(text);
    table.commit();
    SSL_write(tls, text.data(), static_cast<int>(whole));
    for (std::size_t have = 0; have < whole;) {
      const int n = SSL_read(tls, buffer.data() + have, static_cast<int>(whole - have));
      if (n <= 0) throw Error(ErrorCode::kUnavailable, "the echo broke");
      have += static_cast<std::size_t>(n);
    }
    times.push_back(micros(Clock::now() - start));
  }
  SSL_shutdown(tls);
  SSL_free(tls);
  ::close(ends[0]);
  echo.join();
  std::printf("{\"us\": %.3f}\n", median(times));
  return 0;
}

/// `clients` threads, each with its own connection; `one(client, i)` does one write.
template <class One>
void run_clients(int clients, int count, One one) {
  std::atomic<int> next{0};
  std::vector<std::vector<double>> times(static_cast<std::size_t>(clients));
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      for (int i = next++; i < count; i = next++) {
        const auto before = Clock::now();
        one(c, i);
        times[static_cast<std::size_t>(c)].push_back(micros(Clock::now() - before));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = micros(Clock::now() - start) * 1e-6;
  std::vector<double> all;
  for (const auto& each : times) all.insert(all.end(), each.begin(), each.end());
  std::printf("{\"us\": %.3f, \"rate\": %.3f}\n", median(all), count / seconds);
}

int create(const std::string& url, const std::string& ca, const std::string& token, int clients, int count,
           std::size_t size, const std::string& prefix, pid_t server) {
  net::HttpClientOptions options;
  options.tls.ca_file = ca;
  options.bearer_token = token;
  std::vector<std::unique_ptr<net::HttpClient>> connections;
  for (int i = 0; i < clients; ++i) connections.push_back(std::make_unique<net::HttpClient>(url, options));
  const auto one = [&](int client, int i) {
    char name[64];
    std::snprintf(name, sizeof name, "%s-%05d", prefix.c_str(), i);
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/api/v1/namespaces/default/configmaps";
    request.headers.add("Content-Type", "application/json");
    request.body.push_back(Bytes::from_string(object_text(name, size)));
    const auto outcome =
        connections[static_cast<std::size_t>(client)]->exchange(request, Deadline::after(std::chrono::seconds(30)));
    if (!outcome.response) throw Error(outcome.failure->error);
    if (outcome.response->status != 201) {
      throw Error(ErrorCode::kInternal, std::string(outcome.response->body.text()));
    }
  };
  // Handshakes are not what is measured.
  for (int i = 0; i < clients; ++i) {
    net::HttpRequest hello;
    hello.target = "/version";
    static_cast<void>(
        connections[static_cast<std::size_t>(i)]->exchange(hello, Deadline::after(std::chrono::seconds(30))));
  }
  const double before = process_cpu(server);
  run_clients(clients, count, one);
  std::printf("{\"cpu_us\": %.3f}\n", (process_cpu(server) - before) * 1e6 / count);
  return 0;
}

/// A loop without HTTP, TLS or JSON: takes what has come from all clients, commits it at once, answers each.
int bare_loop(const std::string& folder, int clients, int count, std::size_t size) {
  const std::size_t whole = object_text("object-00000", size).size();
  std::vector<pollfd> sockets;
  std::vector<int> ends;
  for (int i = 0; i < clients; ++i) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) throw Error(ErrorCode::kInternal, "no socket pair");
    ends.push_back(pair[0]);
    sockets.push_back({pair[1], POLLIN, 0});
  }
  double cpu = 0;
  std::thread server([&] {
    Table table(folder);
    std::vector<char> buffer(whole);
    const double before = thread_cpu();
    for (int left = count; left > 0;) {
      if (::poll(sockets.data(), sockets.size(), -1) <= 0) break;
      std::vector<int> served;
      table.begin();
      for (const pollfd& socket : sockets) {
        if ((socket.revents & POLLIN) == 0 || !read_whole(socket.fd, buffer.data(), whole)) continue;
        table.insert({buffer.data(), whole});
        served.push_back(socket.fd);
      }
      table.commit();
      for (const int fd : served) write_whole(fd, {buffer.data(), whole});
      left -= static_cast<int>(served.size());
    }
    cpu = thread_cpu() - before;
  });
  const std::string text = object_text("object-00000", size);
  const auto one = [&](int client, int) {
    std::vector<char> answer(whole);
    write_whole(ends[static_cast<std::size_t>(client)], text);
    read_whole(ends[static_cast<std::size_t>(client)], answer.data(), whole);
  };
  run_clients(clients, count, one);
  server.join();
  std::printf("{\"cpu_us\": %.3f}\n", cpu * 1e6 / count);
  return 0;
}

int list(const std::string& url, const std::string& ca, const std::string& token, int times_asked) {
  net::HttpClientOptions options;
  options.tls.ca_file = ca;
  options.bearer_token = token;
  net::HttpClient client(url, options);
  std::vector<double> times;
  std::size_t bytes = 0;
  for (int i = 0; i < times_asked; ++i) {
    bytes = 0;
    net::HttpRequest request;
    request.target = "/api/v1/namespaces/default/configmaps";
    const auto start = Clock::now();
    const auto outcome = client.exchange_to(request, Deadline::after(std::chrono::seconds(60)),
                                            [&bytes](std::span<const std::byte> piece) { bytes += piece.size(); });
    if (!outcome.response) throw Error(outcome.failure->error);
    times.push_back(micros(Clock::now() - start));
  }
  std::printf("{\"us\": %.3f, \"bytes\": %zu}\n", median(times), bytes);
  return 0;
}

/// The rows of a database as they are, to a socket that somebody reads.
int rows(const std::string& database, int times_asked) {
  Sqlite db(database);
  std::vector<double> times;
  std::size_t bytes = 0;
  for (int i = 0; i < times_asked; ++i) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) throw Error(ErrorCode::kInternal, "no socket pair");
    const auto start = Clock::now();
    std::thread reader([&] {
      std::vector<char> buffer(256 * 1024);
      std::size_t seen = 0;
      for (ssize_t n = 0; (n = ::recv(pair[0], buffer.data(), buffer.size(), 0)) > 0;) {
        seen += static_cast<std::size_t>(n);
      }
      bytes = seen;
    });
    Statement all(db, "SELECT data FROM objects WHERE resource = 'configmaps'");
    while (all.step()) write_whole(pair[1], all.text(0));
    ::close(pair[1]);
    reader.join();
    ::close(pair[0]);
    times.push_back(micros(Clock::now() - start));
  }
  std::printf("{\"us\": %.3f, \"bytes\": %zu}\n", median(times), bytes);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> a(argv + 1, argv + argc);
  try {
    if (a.size() == 4 && a[0] == "commit") return commit_and_echo(a[1], std::stoi(a[2]), std::stoul(a[3]));
    if ((a.size() == 8 || a.size() == 9) && a[0] == "create") {
      const pid_t server = a.size() == 9 ? std::stoi(a[8]) : 0;
      return create(a[1], a[2], a[3], std::stoi(a[4]), std::stoi(a[5]), std::stoul(a[6]), a[7], server);
    }
    if (a.size() == 5 && a[0] == "loop") {
      return bare_loop(a[1], std::stoi(a[2]), std::stoi(a[3]), std::stoul(a[4]));
    }
    if (a.size() == 5 && a[0] == "list") return list(a[1], a[2], a[3], std::stoi(a[4]));
    if (a.size() == 3 && a[0] == "rows") return rows(a[1], std::stoi(a[2]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "apiserver_bench: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr,
               "usage: apiserver_bench commit DIR COUNT SIZE | create URL CA TOKEN CLIENTS COUNT SIZE PREFIX [PID] |\n"
               "       loop DIR CLIENTS COUNT SIZE | list URL CA TOKEN TIMES | rows DATABASE TIMES\n");
  return 2;
}
