#include "sedna/store/kube/kubeconfig.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "sedna/base/base64.hpp"
#include "sedna/json/json.hpp"
#include "sedna/store/kube/token_source.hpp"

namespace sedna::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

std::string usual() {
  return R"(apiVersion: v1
kind: Config
current-context: lab
clusters:
- name: lab
  cluster:
    server: https://10.0.0.1:6443/k8s/clusters/c-1
    certificate-authority-data: )" +
         base64_encode(kPem) + R"(
- name: other
  cluster: {server: "https://other:6443", certificate-authority: pki/ca.crt, tls-server-name: api}
users:
- name: me
  user: {token: s3cret}
- name: cert
  user: {client-certificate: me.crt, client-key: /keys/me.key}
contexts:
- name: lab
  context: {cluster: lab, user: me, namespace: edge}
- name: second
  context: {cluster: other, user: cert}
)";
}

Result<KubeConfig> parse(std::string text, std::string_view context = {}, bool insecure = false) {
  return parse_kube_config({{"/home/me/.kube/config", std::move(text)}}, context, insecure);
}

TEST(KubeConfig, TakesTheCurrentContext) {
  const KubeConfig config = parse(usual()).value();
  EXPECT_EQ(config.server, "https://10.0.0.1:6443/k8s/clusters/c-1");
  EXPECT_EQ(config.ca_pem, kPem);
  EXPECT_EQ(config.token, "s3cret");
  EXPECT_EQ(config.ns, "edge");
  EXPECT_EQ(config.context, "lab");
}

TEST(KubeConfig, PathsAreSeenFromItsFolder) {
  const KubeConfig config = parse(usual(), "second").value();
  EXPECT_EQ(config.ca_file, "/home/me/.kube/pki/ca.crt");
  EXPECT_EQ(config.cert_file, "/home/me/.kube/me.crt");
  EXPECT_EQ(config.key_file, "/keys/me.key");
  EXPECT_EQ(config.tls_server_name, "api");
  EXPECT_EQ(config.ns, "default");
}

TEST(KubeConfig, SeveralFilesAreOneAndTheFirstWins) {
  const std::string first = R"({"current-context":"second","users":[{"name":"cert","user":{"token":"mine"}}]})";
  const KubeConfig config = parse_kube_config({{"/a/first", first}, {"/b/config", usual()}}).value();
  EXPECT_EQ(config.context, "second");
  EXPECT_EQ(config.token, "mine");
  EXPECT_EQ(config.ca_file, "/b/pki/ca.crt");
}

TEST(KubeConfig, ErrorsNameFileAndField) {
  const auto error = [](std::string text, std::string_view context = {}) {
    const auto config = parse(std::move(text), context);
    return config ? std::string("accepted") : std::string(config.error().what());
  };
  const auto with = [](std::string cluster, std::string user) {
    return R"({"current-context":"c","clusters":[{"name":"c","cluster":)" + cluster +
           R"(}],"users":[{"name":"u","user":)" + user +
           R"(}],"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}]})";
  };
  const std::string good = R"({"server":"https://h"})";
  EXPECT_EQ(error(with(good, "{}")), "accepted");
  const std::pair<std::string, std::string> cases[] = {
      {error("a: [1"), "line"},
      {error("[]"), "expected a kubeconfig, found an array"},
      {error("kind: Pod"), "expected kind: Config"},
      {error("kind: Config"), "no current-context"},
      {error(usual(), "third"), "no context \"third\" in contexts, there are: lab, second"},
      {error(with("{}", "{}")), "clusters[0].cluster.server: the URL"},
      {error(with(R"({"server":"ftp://h"})", "{}")), "expected an https:// URL"},
      {error(with(R"({"server":7})", "{}")), "server: expected a string, found"},
      {error(with(R"({"server":"https://h","certificate-authority-data":"%%"})", "{}")), "certificate-authority-data"},
      {error(with(R"({"server":"https://h","certificate-authority-data":"AAAA"})", "{}")), "no PEM block"},
      {error(with(R"({"server":"https://h","insecure-skip-tls-verify":true})", "{}")), "insecure-skip-tls-verify"},
      {error(with(R"({"server":"https://h","proxy-url":"http://p"})", "{}")), "proxies are not supported"},
      {error(with(good, R"({"client-certificate":"x"})")), "a client certificate and its key go together"},
      {error(with(good, R"({"exec":{"command":"aws"}})")), "credentials from another program"},
      {error(with(good, R"({"as":"root"})")), "impersonation"},
  };
  for (const auto& [got, wanted] : cases)
    EXPECT_NE(got.find(wanted), std::string::npos) << got << "\nwanted " << wanted;
  EXPECT_TRUE(
      parse(with(R"({"server":"https://h","insecure-skip-tls-verify":true})", "{}"), {}, true).value().insecure);
}

TEST(KubeConfig, WhatWeWriteWeRead) {
  KubeConfig config;
  config.server = "https://127.0.0.1:7443";
  config.ca_pem = kPem;
  config.token = "t0ken";
  config.context = "gm";
  config.ns = "edge";
  const KubeConfig back = parse(write_kube_config(config)).value();
  EXPECT_EQ(back.server, config.server);
  EXPECT_EQ(back.ca_pem, config.ca_pem);
  EXPECT_EQ(back.token, config.token);
  EXPECT_EQ(back.context, "gm");
  EXPECT_EQ(back.ns, "edge");
}

class Environment : public ::testing::Test {
 protected:
  Environment() : folder_(fs::path(::testing::TempDir()) / ("kubeconfig-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    for (const char* name : {"KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}) {
      const char* value = ::getenv(name);
      before_.emplace_back(name, value == nullptr ? "" : value);
      ::unsetenv(name);
    }
  }
  ~Environment() override {
    for (const auto& [name, value] : before_) {
      if (value.empty()) {
        ::unsetenv(name.c_str());
      } else {
        ::setenv(name.c_str(), value.c_str(), 1);
      }
    }
    fs::remove_all(folder_);
  }
  std::string write(const std::string& name, std::string_view text) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  fs::path folder_;

 private:
  std::vector<std::pair<std::string, std::string>> before_;
};

TEST_F(Environment, SaysWhereAKubeconfigWasLookedFor) {
  const auto failure = [](const KubeConfigOptions& options) -> std::string {
    try {
      load_kube_config(options);
    } catch (const Error& e) {
      return e.what();
    }
    return "none";
  };
  ::setenv("HOME", folder_.c_str(), 1);
  EXPECT_NE(failure({}).find((folder_ / ".kube/config").string()), std::string::npos) << failure({});
  write(".kube/config", usual());
  EXPECT_EQ(load_kube_config().token, "s3cret");
  const std::string other = write("other", R"({"current-context":"second"})");
  ::setenv("KUBECONFIG",
           (other + ":" + (folder_ / "missing").string() + "::" + (folder_ / ".kube/config").string()).c_str(), 1);
  EXPECT_EQ(load_kube_config().context, "second");
  KubeConfigOptions named;
  named.file = (folder_ / "nowhere").string();
  EXPECT_NE(failure(named).find("no such file"), std::string::npos) << failure(named);
  named.file = folder_.string();
  EXPECT_NE(failure(named).find("is a folder"), std::string::npos) << failure(named);
}

TEST_F(Environment, AServiceAccountOfAPod) {
  EXPECT_EQ(in_cluster_config().error().code(), ErrorCode::kNotFound);
  ::setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  const std::string mount = "var/run/secrets/kubernetes.io/serviceaccount/";
  EXPECT_NE(std::string(in_cluster_config(folder_.string()).error().what()).find("automountServiceAccountToken"),
            std::string::npos);
  write(mount + "token", "abc\n");
  write(mount + "ca.crt", kPem);
  write(mount + "namespace", "edge");
  const KubeConfig config = in_cluster_config(folder_.string() + "/").value();
  EXPECT_EQ(config.server, "https://[fd00::1]:443");
  EXPECT_EQ(config.ns, "edge");
  EXPECT_EQ(TokenSource("", config.token_file).token(), "abc");
}

class ManualClock final : public Clock {
 public:
  SteadyClock::time_point now() const override { return now_; }
  SystemClock::time_point wall() const override { return {}; }
  void advance(SteadyClock::duration d) { now_ += d; }

 private:
  SteadyClock::time_point now_{};
};

TEST_F(Environment, ATokenFileIsReadAgain) {
  ManualClock clock;
  const std::string file = write("token", "one");
  TokenSource source("", file, clock);
  EXPECT_EQ(source.token(), "one");
  write("token", "two");
  EXPECT_EQ(source.token(), "one");
  clock.advance(std::chrono::seconds(11));
  EXPECT_EQ(source.token(), "two");
  write("token", "three");
  EXPECT_TRUE(source.refused("two"));
  EXPECT_FALSE(source.refused("three"));
  fs::remove(file);
  clock.advance(std::chrono::seconds(11));
  EXPECT_EQ(source.token(), "three");
  EXPECT_THROW(TokenSource("", file, clock), Error);
}

}  // namespace
}  // namespace sedna::store
