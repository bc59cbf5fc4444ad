#include "sedna/store/kube/kubeconfig.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "sedna/base/base64.hpp"
#include "sedna/json/json.hpp"
#include "sedna/json/yaml.hpp"
#include "sedna/net/http.hpp"

namespace sedna::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFile = std::size_t{1} << 20;
constexpr std::string_view kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

Error invalid(std::string message, std::string subject) {
  return Error(ErrorCode::kInvalidArgument, std::move(message), std::move(subject));
}

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return invalid("is a folder, not a file", path);
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const bool there = fs::exists(path, error) && !error;
    return Error(there ? ErrorCode::kPermissionDenied : ErrorCode::kNotFound, there ? "cannot be read" : "no such file",
                 path);
  }
  std::string text(kMaxFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxFile) return invalid("larger than 1 MiB: not a kubeconfig", path);
  return text;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

/// A named entry of one of the three lists, and the file it stands in.
struct Entry {
  const json::object* fields = nullptr;
  const std::string* file = nullptr;
  std::string where;  ///< "clusters[0].cluster"
};

struct Document {
  std::string file;
  json::value tree;
};

Result<Document> read_document(const KubeConfigText& input) {
  auto tree = json::parse_yaml_one(input.text);
  if (!tree) return tree.error().within(input.file);
  if (tree->is_null()) *tree = json::object();
  if (!tree->is_object())
    return invalid("expected a kubeconfig, found " + std::string(json::kind_name(*tree)), input.file);
  const json::object& o = tree->get_object();
  if (const json::value* kind = o.if_contains("kind");
      kind != nullptr && kind->is_string() && kind->get_string() != "Config") {
    return invalid("expected kind: Config, found " + json::write(*kind), input.file);
  }
  return Document{input.file, std::move(*tree)};
}

std::string text_at(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

/// The first entry of that name in the documents, in order.
Result<Entry> find_entry(const std::vector<Document>& documents, std::string_view list, std::string_view member,
                         const std::string& name) {
  std::string known;
  for (const Document& document : documents) {
    const json::value* entries = document.tree.get_object().if_contains(list);
    if (entries == nullptr || entries->is_null()) continue;
    if (!entries->is_array()) {
      return invalid("expected a list, found " + std::string(json::kind_name(*entries)),
                     document.file + ": " + std::string(list));
    }
    std::size_t index = 0;
    for (const json::value& entry : entries->get_array()) {
      const std::string where = std::string(list) + "[" + std::to_string(index++) + "]";
      if (!entry.is_object()) {
        return invalid("expected an object, found " + std::string(json::kind_name(entry)),
                       document.file + ": " + where);
      }
      const std::string entry_name = text_at(entry.get_object(), "name");
      known += (known.empty() ? "" : ", ") + entry_name;
      if (entry_name != name) continue;
      const json::value* fields = entry.get_object().if_contains(member);
      static const json::object kNone;
      if (fields == nullptr || fields->is_null()) return Entry{&kNone, &document.file, where};
      if (!fields->is_object()) {
        return invalid("expected an object, found " + std::string(json::kind_name(*fields)),
                       document.file + ": " + where + "." + std::string(member));
      }
      return Entry{&fields->get_object(), &document.file, where + "." + std::string(member)};
    }
  }
  return invalid("no " + std::string(member) + " \"" + name + "\" in " + std::string(list) +
                     (known.empty() ? ", which is empty" : ", there are: " + known),
                 documents.front().file);
}

/// Reads the fields of one entry; remembers the first fault.
class Fields {
 public:
  explicit Fields(const Entry& entry) : entry_(entry) {}

  std::string text(std::string_view name) {
    const json::value* v = entry_.fields->if_contains(name);
    if (v == nullptr || v->is_null()) return {};
    if (!v->is_string()) {
      fail(name, "expected a string, found " + std::string(json::kind_name(*v)));
      return {};
    }
    return std::string(v->get_string());
  }
  bool flag(std::string_view name) {
    const json::value* v = entry_.fields->if_contains(name);
    if (v == nullptr || v->is_null()) return false;
    if (!v->is_bool()) fail(name, "expected true or false, found " + std::string(json::kind_name(*v)));
    return v->is_bool() && v->get_bool();
  }
  /// A path, seen from the folder of the file it stands in.
  std::string path(std::string_view name) {
    std::string value = text(name);
    if (value.empty() || fs::path(value).is_absolute()) return value;
    return (fs::absolute(*entry_.file).parent_path() / value).lexically_normal().string();
  }
  /// PEM text from base64. As in kubectl, the data wins over the file.
  std::string pem(std::string_view name) {
    const std::string encoded = text(name);
    if (encoded.empty()) return {};
    auto decoded = base64_decode(encoded);
    if (!decoded) {
      fail(name, decoded.error().message());
      return {};
    }
    if (decoded->find("-----BEGIN ") == std::string::npos) fail(name, "the base64 text holds no PEM block");
    return std::move(*decoded);
  }
  bool has(std::string_view name) const {
    const json::value* v = entry_.fields->if_contains(name);
    return v != nullptr && !v->is_null();
  }
  void fail(std::string_view name, std::string message) {
    if (!fault_) {
      fault_ = invalid(std::move(message),
                       *entry_.file + ": " + entry_.where + (name.empty() ? "" : ".") + std::string(name));
    }
  }
  const std::optional<Error>& fault() const { return fault_; }

 private:
  const Entry& entry_;
  std::optional<Error> fault_;
};

std::optional<Error> read_cluster(const Entry& entry, bool allow_insecure, KubeConfig& config) {
  Fields fields(entry);
  config.server = fields.text("server");
  config.ca_file = fields.path("certificate-authority");
  config.ca_pem = fields.pem("certificate-authority-data");
  if (!config.ca_pem.empty()) config.ca_file.clear();
  config.tls_server_name = fields.text("tls-server-name");
  config.insecure = fields.flag("insecure-skip-tls-verify");
  if (config.server.empty()) {
    fields.fail("server", "the URL of the API server is missing");
  } else if (auto url = net::parse_url(config.server); !url) {
    fields.fail("server", url.error().message());
  } else if (url->scheme != "https" && url->scheme != "http") {
    fields.fail("server", "expected an https:// URL, found " + config.server);
  }
  if (config.insecure && !allow_insecure) {
    fields.fail("insecure-skip-tls-verify",
                "refused: anyone between here and the server could read and change everything. Name the server's "
                "authority (certificate-authority), or ask for it: --insecure-skip-tls-verify");
  }
  if (fields.has("proxy-url")) fields.fail("proxy-url", "proxies are not supported here");
  return fields.fault();
}

std::optional<Error> read_user(const Entry& entry, KubeConfig& config) {
  Fields fields(entry);
  config.cert_file = fields.path("client-certificate");
  config.cert_pem = fields.pem("client-certificate-data");
  config.key_file = fields.path("client-key");
  config.key_pem = fields.pem("client-key-data");
  if (!config.cert_pem.empty()) config.cert_file.clear();
  if (!config.key_pem.empty()) config.key_file.clear();
  config.token = trimmed(fields.text("token"));
  config.token_file = fields.path("tokenFile");
  if (!config.token_file.empty()) config.token.clear();  // as client-go: the file wins
  const bool cert = !config.cert_file.empty() || !config.cert_pem.empty();
  const bool key = !config.key_file.empty() || !config.key_pem.empty();
  if (cert != key) {
    fields.fail(cert ? "client-key" : "client-certificate", "missing: a client certificate and its key go together");
  }
  for (const std::string_view name : {"exec", "auth-provider"}) {
    if (fields.has(name)) {
      fields.fail(name,
                  "credentials from another program are not supported here; use a token, a tokenFile or a client "
                  "certificate (kubectl create token NAME makes one)");
    }
  }
  for (const std::string_view name : {"username", "password"}) {
    if (fields.has(name)) fields.fail(name, "user name and password are not taken by API servers any more");
  }
  if (fields.has("as")) fields.fail("as", "impersonation is not supported here");
  return fields.fault();
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read at start
  return value == nullptr ? std::string() : std::string(value);
}

// A certificate may be in a file and its key in the text, or the other way round: OpenSSL gets both as text then.
Result<void> unify(KubeConfig& config) {
  if (!config.cert_pem.empty() && config.key_pem.empty() && !config.key_file.empty()) {
    auto text = read_file(config.key_file);
    if (!text) return text.error();
    config.key_pem = std::move(*text);
    config.key_file.clear();
  } else if (!config.key_pem.empty() && config.cert_pem.empty() && !config.cert_file.empty()) {
    auto text = read_file(config.cert_file);
    if (!text) return text.error();
    config.cert_pem = std::move(*text);
    config.cert_file.clear();
  }
  return {};
}

}  // namespace

Result<KubeConfig> parse_kube_config(const std::vector<KubeConfigText>& texts, std::string_view context,
                                     bool allow_insecure) {
  std::vector<Document> documents;
  for (const KubeConfigText& text : texts) {
    auto document = read_document(text);
    if (!document) return document.error();
    documents.push_back(std::move(*document));
  }
  if (documents.empty()) return Error(ErrorCode::kNotFound, "no kubeconfig");
  KubeConfig config;
  config.source = documents.front().file;
  config.context = std::string(context);
  for (const Document& document : documents) {
    if (!config.context.empty()) break;
    config.context = text_at(document.tree.get_object(), "current-context");
  }
  if (config.context.empty()) {
    return invalid("no current-context: name one (--context), or set it with kubectl config use-context",
                   config.source);
  }
  auto chosen = find_entry(documents, "contexts", "context", config.context);
  if (!chosen) return chosen.error();
  Fields fields(*chosen);
  const std::string cluster = fields.text("cluster");
  const std::string user = fields.text("user");
  if (std::string ns = fields.text("namespace"); !ns.empty()) config.ns = std::move(ns);
  if (cluster.empty()) fields.fail("cluster", "missing");
  if (fields.fault()) return *fields.fault();
  auto cluster_entry = find_entry(documents, "clusters", "cluster", cluster);
  if (!cluster_entry) return cluster_entry.error();
  if (auto fault = read_cluster(*cluster_entry, allow_insecure, config)) return std::move(*fault);
  if (!user.empty()) {
    auto user_entry = find_entry(documents, "users", "user", user);
    if (!user_entry) return user_entry.error();
    if (auto fault = read_user(*user_entry, config)) return std::move(*fault);
  }
  if (auto unified = unify(config); !unified) return unified.error();
  return config;
}

Result<KubeConfig> in_cluster_config(const std::string& root) {
  const std::string host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return Error(ErrorCode::kNotFound, "not inside a Pod: KUBERNETES_SERVICE_HOST and _PORT are not set");
  }
  const std::string folder = root + std::string(kServiceAccount);
  KubeConfig config;
  config.source = "in-cluster";
  config.server = "https://" + (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
  config.token_file = folder + "/token";
  auto token = read_file(config.token_file);
  if (!token) {
    return Error(token.error().code(),
                 "inside a Pod, but without a service account's token (is automountServiceAccountToken false?): " +
                     token.error().message(),
                 config.token_file);
  }
  config.ca_file = folder + "/ca.crt";
  if (auto ca = read_file(config.ca_file); !ca) return ca.error();
  if (auto ns = read_file(folder + "/namespace")) config.ns = trimmed(std::move(*ns));
  return config;
}

KubeConfig load_kube_config(const KubeConfigOptions& options) {
  std::vector<std::string> files;
  bool must_exist = false;
  if (!options.file.empty()) {
    files.push_back(options.file);
    must_exist = true;
  } else if (const std::string list = environment("KUBECONFIG"); !list.empty()) {
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t end = std::min(list.find(':', begin), list.size());
      if (end > begin) files.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
  } else if (const std::string home = environment("HOME"); !home.empty()) {
    files.push_back(home + "/.kube/config");
  }
  std::vector<KubeConfigText> texts;
  std::string looked;
  for (const std::string& file : files) {
    looked += (looked.empty() ? "" : ", ") + file;
    auto text = read_file(file);
    if (text) {
      texts.push_back({file, std::move(*text)});
    } else if (must_exist || text.error().code() != ErrorCode::kNotFound) {
      throw Error(text.error());
    }
  }
  if (!texts.empty()) return parse_kube_config(texts, options.context, options.allow_insecure).value();
  auto in_cluster = in_cluster_config();
  if (in_cluster) return std::move(*in_cluster);
  if (in_cluster.error().code() != ErrorCode::kNotFound || !in_cluster.error().subject().empty()) {
    throw Error(in_cluster.error());
  }
  throw Error(ErrorCode::kNotFound, "no kubeconfig: give --kubeconfig FILE or set KUBECONFIG (looked at " +
                                        (looked.empty() ? std::string("nothing: HOME is not set") : looked) +
                                        "), and this is not a Pod");
}

std::string write_kube_config(const KubeConfig& config) {
  const std::string name = config.context.empty() ? "sedna" : config.context;
  json::object cluster{{"server", config.server}};
  json::object user;
  const auto put = [](json::object& into, std::string_view key, const std::string& text) {
    if (!text.empty()) into[key] = text;
  };
  const auto put_pem = [](json::object& into, std::string_view key, const std::string& pem) {
    if (!pem.empty()) into[key] = base64_encode(pem);
  };
  put(cluster, "certificate-authority", config.ca_file);
  put_pem(cluster, "certificate-authority-data", config.ca_pem);
  put(cluster, "tls-server-name", config.tls_server_name);
  if (config.insecure) cluster["insecure-skip-tls-verify"] = true;
  put(user, "client-certificate", config.cert_file);
  put_pem(user, "client-certificate-data", config.cert_pem);
  put(user, "client-key", config.key_file);
  put_pem(user, "client-key-data", config.key_pem);
  put(user, "token", config.token);
  put(user, "tokenFile", config.token_file);
  json::object context{{"cluster", name}, {"user", name}};
  if (config.ns != "default") context["namespace"] = config.ns;
  const auto entry = [&name](std::string_view member, json::object fields) {
    return json::array{json::object{{"name", name}, {member, std::move(fields)}}};
  };
  const json::object document{{"apiVersion", "v1"},
                              {"kind", "Config"},
                              {"current-context", name},
                              {"clusters", entry("cluster", std::move(cluster))},
                              {"users", entry("user", std::move(user))},
                              {"contexts", entry("context", std::move(context))}};
  return json::write(document) + "\n";
}

}  // namespace sedna::store
