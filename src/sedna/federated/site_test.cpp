// Aggregators in a tree: what comes out is what a flat job gives, whoever dies, is late or lies.
#include <cmath>
#include <cstring>
#include <deque>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/client.hpp"
#include "sedna/federated/partial_sum.hpp"
#include "sedna/federated/rules.hpp"
#include "sedna/federated/test_site.hpp"
#include "sedna/federated/upstream.hpp"

namespace sedna::federated {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::above;
using test::Folder;
using test::fp32;
using test::Job;
using test::next;
using test::options_for;
using test::submit;
using test::train;
using test::trained;
using testing::HasSubstr;

AggregationServerOptions site_options(const std::string& origin, const std::string& name, std::size_t participants) {
  auto options = options_for(participants, 1);
  options.upstream = above(origin, name);
  options.upstream->configure(options);
  return options;
}

/// Clients of these numbers at this job, each on a thread of its own.
class Trainers {
 public:
  void add(const Job& job, int number) {
    const std::size_t at = models_.size();
    models_.emplace_back();
    threads_.emplace_back([this, at, options = job.client("c" + std::to_string(number)), number] {
      try {
        std::string model = train(options, number);
        const std::lock_guard lock(mutex_);
        models_[at] = std::move(model);
      } catch (const std::exception& error) {
        ADD_FAILURE() << "client " << number << ": " << error.what();
      }
    });
  }
  /// The model that all of them ended with.
  std::string model() {
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    for (const std::string& model : models_) EXPECT_EQ(model, models_.front());
    return models_.front();
  }
  ~Trainers() {
    for (auto& thread : threads_) thread.join();
  }

 private:
  std::mutex mutex_;
  std::deque<std::string> models_;
  std::vector<std::thread> threads_;
};

struct Mode {
  const char* name;
  RuleOptions rules;
  std::string codec;
  std::vector<std::string> sites;
};
std::vector<Mode> modes() {
  std::vector<Mode> out(5);
  out[0].name = "Mean";
  out[1].name = "Strict";
  out[1].rules.strict = true;
  out[2].name = "FedAdam";
  out[2].rules.algorithm = "FedAdam";
  out[3].name = "Clipped";
  out[3].rules.clip = "0.125";
  out[3].sites = {"edge0", "edge1", "deep"};
  out[4].name = "Coded";
  out[4].codec = "int8";
  return out;
}

class Sites : public testing::TestWithParam<Mode> {};

// FL-15.4, FL-16.8
TEST_P(Sites, ATreeOfServersIsTheFlatJob) {
  const auto options = [&](std::size_t participants) {
    auto o = options_for(participants, 3);
    o.rules = GetParam().rules;
    o.codec = GetParam().codec;
    o.sites = GetParam().sites;
    return o;
  };
  std::string flat;
  {
    Job job(options(5));
    Trainers clients;
    for (int i = 0; i < 5; ++i) clients.add(job, i);
    flat = clients.model();
    EXPECT_TRUE(job.server->wait_for(seconds(20)));
  }
  // Two clients at edge0, one at a site below edge1 and one beside it, one at the root.
  Job root(options(3));
  std::string tree;
  {
    Job edge0(site_options(root.server->origin(), "edge0", 2));
    Job edge1([&] {
      auto o = site_options(root.server->origin(), "edge1", 2);
      if (!GetParam().sites.empty()) o.sites = {"deep"};
      return o;
    }());
    Job deep([&] {
      auto o = options_for(1, 1);
      o.upstream = above(edge1.server->origin(), "deep");
      o.upstream->configure(o);
      return o;
    }());
    Trainers clients;
    clients.add(edge0, 3);
    clients.add(edge0, 0);
    clients.add(deep, 1);
    clients.add(edge1, 4);
    clients.add(root, 2);
    tree = clients.model();
    for (Job* job : {&edge0, &edge1, &deep}) {
      EXPECT_TRUE(job->server->wait_for(seconds(20)));
      EXPECT_EQ(job->server->failure(), "");
      EXPECT_EQ(job->server->rounds(), 3);
    }
    EXPECT_EQ(edge1.reports.back().sites, (std::map<std::string, std::size_t>{{"deep", 1}}));
    EXPECT_EQ(edge1.reports.back().total_weight, 7);
    EXPECT_TRUE(edge1.reports.back().last);
  }
  EXPECT_TRUE(root.server->wait_for(seconds(20)));
  EXPECT_EQ(root.server->failure(), "");
  EXPECT_EQ(tree, flat) << "bit for bit";
  ASSERT_EQ(root.reports.size(), 3u);
  for (const RoundReport& report : root.reports) {
    EXPECT_EQ(report.sites, (std::map<std::string, std::size_t>{{"edge0", 2}, {"edge1", 2}}));
    EXPECT_THAT(report.clients, testing::UnorderedElementsAre("edge0", "edge1", "c2"));
    EXPECT_EQ(report.total_weight, 15);
  }
}
INSTANTIATE_TEST_SUITE_P(Modes, Sites, testing::ValuesIn(modes()), [](const auto& mode) { return mode.param.name; });

// FL-15.5
TEST(Site, ThatIsLateTakesTheModelAndGoesOn) {
  auto o = options_for(2, 3);
  o.rounds.quorum = 1;
  o.rounds.soft_deadline = milliseconds(50);
  Job root(o);
  Job slow(site_options(root.server->origin(), "slow", 1));
  RoundClient late(slow.client("late"));
  late.connect();
  RoundClient quick(root.client("quick"));
  quick.connect();
  EXPECT_EQ(next(late).round, 1);
  EXPECT_EQ(next(quick).round, 1);
  // One round ends above with nothing from the site, another while an update lies there.
  submit(quick, 1, {fp32({1}, {1})});
  EXPECT_EQ(next(quick).round, 2);
  const RoundTask task = next(late);
  EXPECT_EQ(task.round, 2);
  EXPECT_THAT(task.model->weights.front().as<float>(), testing::ElementsAre(1));
  submit(late, 3, {fp32({1}, {5})});
  submit(quick, 1, {fp32({1}, {1})});
  // Whether both were in time for round 2 or not: both are there at the end, with the same model.
  std::vector<float> ends;
  std::thread other([&] {
    RoundTask t = next(quick);
    while (!t.finished) {
      submit(quick, 1, {fp32({1}, {1})});
      t = next(quick);
    }
    ends.push_back(t.model->weights.front().as<float>()[0]);
    quick.close();
  });
  RoundTask t = next(late);
  while (!t.finished) t = next(late);
  other.join();
  late.close();
  EXPECT_EQ(t.model->weights.front().as<float>()[0], ends.front());
  EXPECT_TRUE(slow.server->wait_for(seconds(20)));
  EXPECT_EQ(slow.server->failure(), "");
  EXPECT_EQ(slow.reports.front().clients, std::vector<std::string>());
}

// FL-15.2
TEST(Site, IsRefusedAtTheDoorWithTheSettingsName) {
  const auto why = [](const std::function<void(AggregationServerOptions&)>& change) {
    auto o = options_for(3, 1);
    change(o);
    Job root(o);
    try {
      above(root.server->origin(), "edge0");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("welcome");
  };
  EXPECT_EQ(why([](auto&) {}), "welcome");
  EXPECT_THAT(why([](auto& o) { o.rules.robust = "Median"; }), HasSubstr("robust: Median compares"));
  EXPECT_THAT(why([](auto& o) { o.rules.algorithm = "SCAFFOLD"; }), HasSubstr("algorithm: SCAFFOLD"));
  EXPECT_THAT(why([](auto& o) { o.rules.algorithm = "FedBuff"; }), HasSubstr("algorithm: FedBuff"));
  EXPECT_THAT(why([](auto& o) { o.rules.clip = "median"; }), HasSubstr("clip"));
  EXPECT_THAT(why([](auto& o) { o.rounds.selection.policy = "random"; }), HasSubstr("select"));
  EXPECT_THAT(why([](auto& o) { o.rules.clip = "1"; }), HasSubstr("sites: must name edge0"));
  EXPECT_THAT(why([](auto& o) { o.sites = {"edge1"}; }), HasSubstr("sites: does not name edge0"));
  EXPECT_EQ(why([](auto& o) {
              o.rules.clip = "1";
              o.sites = {"edge1", "edge0"};
            }),
            "welcome");
  EXPECT_EQ(why([](auto& o) {
              o.rules.clip = "1";
              o.rules.privacy = "1.1";
              o.sites = {"edge0"};
            }),
            "welcome");
  for (const char* name : {"strict", "robust", "stop-target", "codec"}) {
    try {
      Upstream::check_settings({{name, "1"}});
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
  }
  UpstreamOptions options;
  options.site = "edge0";
  for (const char* url : {"http://127.0.0.1:1", "http://127.0.0.1:1/", "ws://127.0.0.1:1/FedAvg", "http:///FedAvg",
                          "http://127.0.0.1:1/a/b", "nonsense"}) {
    options.url = url;
    EXPECT_THROW(Upstream{options}, Error) << url;
  }
  options.url = "http://127.0.0.1:1/FedAvg";
  options.site.clear();
  EXPECT_THROW(Upstream{options}, Error);
}

// FL-15.2
TEST(Site, ClientsOfPrivateJobsWeighAlikeAndTheNoiseIsOfAllOfThem) {
  auto o = options_for(2, 1);
  o.rules.clip = "10";
  o.rules.privacy = "1e-6";
  o.sites = {"edge0"};
  Job root(o);
  Job edge(site_options(root.server->origin(), "edge0", 2));
  Trainers clients;
  for (int i = 0; i < 2; ++i) clients.add(edge, i);
  clients.add(root, 4);
  const std::string model = clients.model();
  Model base;
  base.weights = {fp32({3}, {0.5F, -0.25F, 3.0F})};
  float want = 0;
  for (const int i : {0, 1, 4}) want += trained(base, i).front().as<float>()[2] / 3;
  float got = 0;
  std::memcpy(&got, model.data() + 8, 4);
  EXPECT_NEAR(got, want, 1e-4);
  EXPECT_EQ(root.reports.front().total_weight, 8) << "samples are told as they are";
  EXPECT_TRUE(root.reports.front().epsilon);
}

/// A sum of two clients as a file.
std::vector<Bytes> sum_file(const Job& root, std::int64_t round, float value,
                            const std::function<void(PartialSum&)>& change = {}) {
  Rules rules = Rules::of_site(SiteRules());
  RoundSum sum(rules, nullptr);
  sum.add(test::update("a", 1, {fp32({2}, {value, 1})}));
  sum.add(test::update("b", 2, {fp32({2}, {value, 2})}));
  RoundSum::End end;
  PartialSum part = sum.take_sum(end);
  if (change) change(part);
  EXPECT_GT(root.server->port(), 0);
  return write_partial_sum({round, 3, 0, {}, {}}, part);
}

// FL-15.3
TEST(Site, SumsCountOnceAndBadOnesNever) {
  Job root(2, 1);
  const auto result = [](const net::HttpResponse& response) {
    return std::to_string(response.status) + " " + std::string(response.body.text());
  };
  EXPECT_THAT(result(root.put("edge0", 1, sum_file(root, 1, NAN))), testing::AllOf(HasSubstr("422"), HasSubstr("NaN")));
  EXPECT_THAT(result(root.put("edge0", 1, sum_file(root, 1, 4, [](PartialSum& p) { p.clients = 0; }))),
              testing::AllOf(HasSubstr("422"), HasSubstr("sum.clients")));
  EXPECT_THAT(result(root.put("edge0", 1, sum_file(root, 1, 4, [](PartialSum& p) { p.total = 1e30; }))),
              testing::AllOf(HasSubstr("422"), HasSubstr("sum.weight")));
  EXPECT_THAT(result(root.put("edge0", 0, sum_file(root, 0, 4))), HasSubstr("late"));
  EXPECT_THAT(result(root.put("edge0", 1, sum_file(root, 1, 4))), HasSubstr("committed"));
  EXPECT_THAT(result(root.put("edge0", 1, sum_file(root, 1, 4))), HasSubstr("duplicate"));
  EXPECT_THAT(result(root.put("edge0", 1, sum_file(root, 1, 5))), HasSubstr("the first one counts"));
  EXPECT_THAT(result(root.put("edge1", 1,
                              sum_file(root, 1, 4,
                                       [](PartialSum& p) {
                                         const auto fix = [](tensor::Tensor& t) { t.shape = {1, 2}; };
                                         fix(p.sums[0]);
                                       }))),
              testing::AllOf(HasSubstr("422"), HasSubstr("shape")));
  EXPECT_THAT(result(root.put("c", 1, test::update_file(1, 1, {fp32({2}, {8, 3})}))), HasSubstr("committed"));
  while (root.server->rounds() < 1) std::this_thread::yield();
  const std::lock_guard lock(root.mutex);
  EXPECT_EQ(root.reports.front().total_weight, 4);
  EXPECT_EQ(root.reports.front().sites, (std::map<std::string, std::size_t>{{"edge0", 2}}));
}

// FL-15.6
TEST(Site, WaitsForALostRootAndFailsAloudWhenItStaysAwayOrBeganAgain) {
  Folder folder;
  auto o = options_for(1, 3);
  o.state_folder = folder.path.string();
  auto root = std::make_unique<Job>(o);
  o.server.port = root->server->port();
  auto edge_options = options_for(1, 1);
  edge_options.upstream = above(root->server->origin(), "edge0");
  edge_options.upstream->configure(edge_options);
  Job edge(edge_options);
  RoundClient client(edge.client("a"));
  client.connect();
  EXPECT_EQ(next(client).round, 1);
  submit(client, 1, {fp32({1}, {1})});
  EXPECT_EQ(next(client).round, 2);
  root.reset();
  submit(client, 1, {fp32({1}, {2})});
  EXPECT_FALSE(client.next(milliseconds(300)));
  EXPECT_FALSE(edge.server->wait_for(milliseconds(0)));
  root = std::make_unique<Job>(o);
  const RoundTask third = next(client);
  EXPECT_EQ(third.round, 3);
  EXPECT_THAT(third.model->weights.front().as<float>(), testing::ElementsAre(2));
  // It comes back without its records: that is another job.
  root.reset();
  o.state_folder.clear();
  root = std::make_unique<Job>(o);
  EXPECT_TRUE(edge.server->wait_for(seconds(20)));
  EXPECT_THAT(edge.server->failure(), HasSubstr("has begun again"));
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) client.next(milliseconds(200));
      },
      Error);
  client.close();

  const auto origin = root->server->origin();
  auto impatient = options_for(1, 1);
  impatient.upstream = above(origin, "edge1", milliseconds(500));
  impatient.upstream->configure(impatient);
  Job lonely(impatient);
  root.reset();
  EXPECT_TRUE(lonely.server->wait_for(seconds(20)));
  EXPECT_THAT(lonely.server->failure(), HasSubstr("the aggregator above: "));
}

// FL-15.4
TEST(Site, UpstreamsClientsBeginAJobThatNeedsAModelToBeginWith) {
  auto o = options_for(1, 2);
  o.rules.algorithm = "FedAdam";
  Job root(o);
  Job edge(site_options(root.server->origin(), "edge0", 1));
  ClientOptions ws;
  ws.url = "ws" + edge.server->origin().substr(4) + "/FedAvg";
  ws.client_id = "upstream";
  AggregationClient client(ws);
  client.connect();
  client.submit(1, {test::fp64({1}, {1})});
  int models = 0;
  bool last = false;
  for (int i = 0; i < 200 && !last; ++i) {
    const auto model = client.wait(milliseconds(100));
    if (!model) continue;
    ++models;
    last = model->last;
    if (!last) client.submit(1, {test::fp64({1}, {2})});
  }
  EXPECT_TRUE(last);
  EXPECT_EQ(models, 2);
  client.close();
  EXPECT_TRUE(edge.server->wait_for(seconds(20)));
  EXPECT_EQ(edge.server->failure(), "");
}

}  // namespace
}  // namespace sedna::federated
