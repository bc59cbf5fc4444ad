// Codecs: what comes back, how many bytes it takes, and that nothing is lost for good.
#include "sedna/federated/codec.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using test::fp32;
using test::fp64;

const std::vector<std::string> kCodecs = {"bf16", "fp16", "int8", "int4", "topk,share=0.1", "sign"};

Weights random_weights(std::mt19937_64& random, double scale) {
  std::normal_distribution<double> normal(0, scale);
  std::vector<float> a(2500);
  std::vector<double> b(7);
  for (float& v : a) v = static_cast<float>(normal(random));
  for (double& v : b) v = normal(random);
  return {fp32({50, 50}, a), fp64({7}, b)};
}

std::size_t bytes_of(const Weights& weights) {
  std::size_t bytes = 0;
  for (const auto& t : weights) bytes += t.data.size();
  return bytes;
}

// FL-7.1
TEST(Codec, HalvesRoundAsIeeeSays) {
  EXPECT_EQ(to_bf16(1.0F), 0x3f80);
  EXPECT_EQ(to_bf16(-2.5F), 0xc020);
  EXPECT_EQ(to_bf16(1.00390625F), 0x3f80);  // halfway between 0x3f80 and 0x3f81: to even
  EXPECT_EQ(to_bf16(1.01171875F), 0x3f82);  // halfway between 0x3f81 and 0x3f82: to even
  EXPECT_EQ(to_fp16(1.0F), 0x3c00);
  EXPECT_EQ(to_fp16(-0.0F), 0x8000);
  EXPECT_EQ(to_fp16(65504.0F), 0x7bff);
  EXPECT_EQ(to_fp16(1e9F), 0x7bff) << "the largest, not an infinity";
  EXPECT_EQ(to_fp16(0x1p-24F), 0x0001);
  EXPECT_EQ(to_fp16(0x1p-26F), 0x0000);
  EXPECT_EQ(to_fp16(1.00048828125F), 0x3c00);  // halfway: to even
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = from_fp16(half);
    if (std::isfinite(value)) {
      EXPECT_EQ(to_fp16(value), half) << bits;
    }
    const float wide = from_bf16(half);
    if (std::isfinite(wide)) {
      EXPECT_EQ(to_bf16(wide), half) << bits;
    }
  }
}

// FL-7.1
TEST(Codec, BringsTheChangeBackWithinItsPrecision) {
  std::mt19937_64 random(1);
  const Weights base = random_weights(random, 1);
  Weights now = random_weights(random, 0.01);
  for (std::size_t i = 0; i < now.size(); ++i) {
    now[i].data = [&] {
      if (now[i].dtype == tensor::DType::kFp32) {
        std::vector<float> v(now[i].as<float>().begin(), now[i].as<float>().end());
        for (std::size_t k = 0; k < v.size(); ++k) v[k] += base[i].as<float>()[k];
        return Bytes::copy_of(std::as_bytes(std::span(v)));
      }
      std::vector<double> v(now[i].as<double>().begin(), now[i].as<double>().end());
      for (std::size_t k = 0; k < v.size(); ++k) v[k] += base[i].as<double>()[k];
      return Bytes::copy_of(std::as_bytes(std::span(v)));
    }();
  }
  const std::map<std::string, std::pair<double, double>> limits = {
      // worst error, bytes a parameter
      {"bf16", {2e-4, 2.01}}, {"fp16", {3e-5, 2.01}},           {"int8", {3e-4, 1.02}},
      {"int4", {4e-3, 0.52}}, {"topk,share=0.1", {0.05, 0.62}}, {"sign", {0.05, 0.14}}};
  for (const std::string& name : kCodecs) {
    const Codec codec(name);
    Residual residual;
    const Weights coded = encode_change(now, base, codec, residual);
    const auto back = decode_change(coded, base, codec);
    ASSERT_TRUE(back) << name << ": " << back.error().what();
    double worst = 0;
    for (std::size_t k = 0; k < 2500; ++k) {
      worst = std::max(worst, std::abs(static_cast<double>((*back)[0].as<float>()[k] - now[0].as<float>()[k])));
      // What was lost is in the residual.
      EXPECT_NEAR((*back)[0].as<float>()[k] + residual[0][k], now[0].as<float>()[k], 1e-6) << name;
    }
    EXPECT_LT(worst, limits.at(name).first) << name;
    EXPECT_LT(static_cast<double>(bytes_of(coded)) / 2507, limits.at(name).second) << name;
    EXPECT_EQ((*back)[1].dtype, tensor::DType::kFp64);
    EXPECT_EQ(Codec(codec.text()).text(), codec.text());
  }
}

// FL-7.2
TEST(Codec, WhatIsLostOnceGoesAlongTheNextTime) {
  // The same small change every round: however coarse the codec, the sum of what arrives follows the sum of changes.
  std::mt19937_64 random(2);
  const Weights zero = {fp32({300}, std::vector<float>(300, 0.0F))};
  std::vector<float> change(300);
  std::normal_distribution<float> normal(0, 0.1F);
  for (float& v : change) v = normal(random);
  const Weights step = {fp32({300}, change)};
  for (const std::string& name : kCodecs) {
    const Codec codec(name);
    Residual residual;
    std::vector<double> arrived(300, 0.0);
    constexpr int kRounds = 1000;
    for (int round = 0; round < kRounds; ++round) {
      const auto back = decode_change(encode_change(step, zero, codec, residual), zero, codec);
      for (std::size_t k = 0; k < 300; ++k) arrived[k] += static_cast<double>((*back)[0].as<float>()[k]);
    }
    for (std::size_t k = 0; k < 300; ++k) {
      EXPECT_NEAR(arrived[k] / kRounds, static_cast<double>(change[k]), 0.03) << name << " " << k;
    }
  }
}

// FL-7.3
TEST(Codec, RefusesWhatDoesNotFit) {
  const Weights base = {fp32({3}, {1, 2, 3})};
  for (const std::string& name : kCodecs) {
    const Codec codec(name);
    Residual residual;
    const Weights other = {fp32({2000}, std::vector<float>(2000, 1.0F))};
    const Weights coded = encode_change(other, {fp32({2000}, std::vector<float>(2000, 0.0F))}, codec, residual);
    const auto wrong = decode_change(coded, base, codec);
    ASSERT_FALSE(wrong) << name;
    EXPECT_THAT(wrong.error().what(), testing::HasSubstr("weights.0"));
    EXPECT_FALSE(decode_change({}, base, codec));
  }
  // Indices that repeat or point outside.
  const Codec codec("topk,share=0.5");
  Residual residual;
  Weights coded = encode_change({fp32({4}, {1, 2, 3, 4})}, {fp32({4}, {0, 0, 0, 0})}, codec, residual);
  for (const std::vector<std::uint32_t>& index : {std::vector<std::uint32_t>{1, 1}, {0, 4}, {2, 1}}) {
    coded[1].data = Bytes::copy_of(std::as_bytes(std::span(index)));
    EXPECT_FALSE(decode_change(coded, {fp32({4}, {0, 0, 0, 0})}, codec));
  }
  EXPECT_THROW(Codec("zip"), Error);
  EXPECT_THROW(Codec("int8,share=1"), Error);
  EXPECT_TRUE(Codec("none").none());
}

}  // namespace
}  // namespace sedna::federated
