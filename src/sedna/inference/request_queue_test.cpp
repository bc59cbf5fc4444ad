#include "sedna/inference/request_queue.hpp"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "sedna/inference/batch.hpp"
#include "sedna/inference/queue_estimator.hpp"

namespace sedna::inference {
namespace {

using namespace std::chrono_literals;

WorkPtr make_work(Deadline deadline = {}) {
  auto work = std::make_shared<Work>();
  work->deadline = deadline;
  return work;
}

/// Work whose answer can be waited for.
struct Waited {
  WorkPtr work = std::make_shared<Work>();
  std::future<void> answered;
  explicit Waited(Deadline deadline = {}) {
    auto promise = std::make_shared<std::promise<void>>();
    answered = promise->get_future();
    work->deadline = deadline;
    work->on_answer = [promise] { promise->set_value(); };
  }
  ErrorCode code() const { return work->result().error.value().code(); }
};

TEST(RequestQueue, TakesOutInOrder) {
  RequestQueue queue(4, 1);
  const WorkPtr a = make_work(), b = make_work();
  ASSERT_TRUE(queue.push(a));
  ASSERT_TRUE(queue.push(b));
  EXPECT_EQ(queue.waiting(), 2U);
  EXPECT_EQ(queue.pop(SteadyClock::time_point::max()), a);
  EXPECT_EQ(queue.pop(SteadyClock::time_point::max()), b);
  EXPECT_EQ(queue.pop(SteadyClock::now()), nullptr);
}

// JI-2.6
TEST(RequestQueue, RefusesWhenFullAndSaysHowLongToWait) {
  RequestQueue queue(1, 1);
  ASSERT_TRUE(queue.push(make_work()));
  const auto refused = queue.push(make_work());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_GE(queue.retry_after(), 1);
}

TEST(RequestQueue, AnswersAtTheDeadlineWhileNobodyTakesWorkOut) {
  RequestQueue queue(4, 1);
  Waited late(Deadline::after(20ms));
  ASSERT_TRUE(queue.push(late.work));
  late.answered.wait();
  EXPECT_EQ(late.code(), ErrorCode::kUnavailable);  // nothing was executed: a retry is safe
  EXPECT_EQ(queue.waiting(), 0U);
}

// JI-2.6
TEST(RequestQueue, AnswersAtTheDeadlineWhileTheModelRuns) {
  RequestQueue queue(4, 1);
  Waited late(Deadline::after(20ms));
  ASSERT_TRUE(queue.push(late.work));
  const WorkPtr running = queue.pop(SteadyClock::time_point::max());
  ASSERT_EQ(running, late.work);
  late.answered.wait();
  EXPECT_EQ(late.code(), ErrorCode::kDeadlineExceeded);  // it may have been executed
  queue.done(running);
  EXPECT_FALSE(running->answer({}));  // the model's own answer comes too late
}

// JI-2.6
TEST(RequestQueue, RefusesADeadlineThatHasPassed) {
  RequestQueue queue(4, 1);
  const auto refused = queue.push(make_work(Deadline(SteadyClock::now() - 1s)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
}

// JI-2.6
TEST(RequestQueue, RefusesADeadlineThatTheMedianRunCannotMeet) {
  RequestQueue queue(8, 1);
  const WorkPtr slow = make_work();
  ASSERT_TRUE(queue.push(slow));
  ASSERT_EQ(queue.pop(SteadyClock::now()), slow);
  slow->started = SteadyClock::now() - 10s;  // as if it had run that long
  queue.done(slow);
  EXPECT_GE(queue.median_run(), 10s);
  // Nothing under way: let in, so that a slow first run does not close the door for good.
  ASSERT_TRUE(queue.push(make_work(Deadline::after(5s))));
  const auto refused = queue.push(make_work(Deadline::after(15s)));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("cannot be met"), std::string::npos);
  EXPECT_TRUE(queue.push(make_work(Deadline::after(60s))));
}

// JI-2.6
TEST(RequestQueue, CloseAnswersWhatWaitsAndAbandonWhatRuns) {
  RequestQueue queue(4, 1);
  Waited running, waiting;
  ASSERT_TRUE(queue.push(running.work));
  ASSERT_EQ(queue.pop(SteadyClock::now()), running.work);
  ASSERT_TRUE(queue.push(waiting.work));
  queue.close();
  waiting.answered.wait();
  EXPECT_EQ(waiting.code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(running.work->answered());
  EXPECT_FALSE(queue.push(make_work()));
  EXPECT_EQ(queue.pop(SteadyClock::time_point::max()), nullptr);
  queue.abandon();
  running.answered.wait();
  EXPECT_EQ(running.code(), ErrorCode::kUnavailable);
}

// JI-2.7
TEST(RequestQueue, BatchStopsAtTheFirstThatDoesNotJoin) {
  RequestQueue queue(8, 1);
  for (const char* id : {"a", "a", "b", "a"}) {
    const WorkPtr work = make_work();
    work->request_id = id;
    ASSERT_TRUE(queue.push(work));
  }
  const auto same = [](const Work& first, const Work& next) { return first.request_id == next.request_id; };
  EXPECT_EQ(queue.pop_batch(same).size(), 2U);
  EXPECT_EQ(queue.pop_batch(same).size(), 1U);
  EXPECT_EQ(queue.pop_batch(same).size(), 1U);
}

// JI-2.6
TEST(RequestQueue, ManyThreadsAnswerEachRequestOnce) {
  RequestQueue queue(100000, 2);
  std::atomic<int> answers{0};
  std::vector<std::thread> runners;
  for (int i = 0; i < 2; ++i) {
    runners.emplace_back([&] {
      while (const WorkPtr work = queue.pop(SteadyClock::time_point::max())) {
        queue.done(work);
        work->answer({});
      }
    });
  }
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      for (int n = 0; n < 2000; ++n) {
        const WorkPtr work = make_work(Deadline::after(60s));
        work->on_answer = [&answers] { ++answers; };
        if (!queue.push(work)) ++answers;
      }
    });
  }
  for (auto& t : clients) t.join();
  queue.close();  // answers the rest
  for (auto& t : runners) t.join();
  EXPECT_EQ(answers.load(), 8000);
}

/// Takes anything, as Python objects do.
ModelMetadata python_model(std::string name) {
  ModelMetadata m;
  m.name = std::move(name);
  m.platform = "python";
  return m;
}

// JI-3.4
TEST(QueueEstimator, InferWaitsForWhoeverAsksForWork) {
  QueueEstimator model(python_model("py"));
  std::thread user([&] {
    auto call = model.next(10s);
    ASSERT_TRUE(call);
    EXPECT_FALSE(call->is_json());
    std::vector<tensor::Tensor> out(call->inputs().begin(), call->inputs().end());
    call->complete(std::move(out));
  });
  tensor::Tensor t{"x", tensor::DType::kUint8, {3}, Bytes::copy_of(std::string_view("abc"))};
  const auto out = model.infer(std::span(&t, 1), Deadline::after(10s));
  user.join();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].data.text(), "abc");
}

// JI-3.4
TEST(QueueEstimator, ADroppedCallIsAnError) {
  QueueEstimator model(python_model("py"));
  std::thread user([&] { EXPECT_TRUE(model.next(10s)); });
  try {
    model.infer({}, Deadline::after(10s));
    ADD_FAILURE() << "an answer out of nothing";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
  }
  user.join();
  EXPECT_FALSE(model.next(1ms));
  model.close();
  EXPECT_FALSE(model.next(10s));  // returns at once
}

tensor::Tensor rows(std::string_view bytes, std::int64_t n) {
  return {"x", tensor::DType::kUint8, {n, 2}, Bytes::copy_of(bytes)};
}

// JI-2.7
TEST(Batch, JoinsAndSplitsRows) {
  const std::vector<tensor::Tensor> a = {rows("aabb", 2)}, b = {rows("cc", 1)};
  ASSERT_TRUE(can_join(a, b));
  const auto joined = join_rows({&a, &b});
  EXPECT_EQ(joined[0].data.text(), "aabbcc");
  EXPECT_EQ(joined[0].shape, (tensor::Shape{3, 2}));
  const auto split = split_rows(joined, {&a, &b});
  EXPECT_EQ(split[0][0].data.text(), "aabb");
  EXPECT_EQ(split[1][0].data.text(), "cc");
  EXPECT_EQ(split[1][0].shape, (tensor::Shape{1, 2}));
  EXPECT_THROW(split_rows(a, {&a, &b}), Error);
}

// JI-2.7
TEST(Batch, DifferentShapesOrStringsDoNotJoin) {
  const std::vector<tensor::Tensor> a = {rows("aabb", 2)};
  std::vector<tensor::Tensor> b = a;
  b[0].shape = {1, 4};
  EXPECT_FALSE(can_join(a, b));
  b = a;
  b[0].dtype = tensor::DType::kInt8;
  EXPECT_FALSE(can_join(a, b));
  b = a;
  b[0].name = "z";
  EXPECT_FALSE(can_join(a, b));
  const std::string_view text = "t";
  const std::vector<tensor::Tensor> s = {tensor::make_bytes_tensor("x", std::span(&text, 1))};
  EXPECT_FALSE(can_join(s, s));
}

}  // namespace
}  // namespace sedna::inference
