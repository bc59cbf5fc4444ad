// Every level of every kernel against the obvious loop.
#include "sedna/federated/kernels.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

#include <gtest/gtest.h>

#include "sedna/federated/slices.hpp"

namespace sedna::federated::kernels {
namespace {

std::vector<Level> levels() {
  std::vector<Level> out;
  for (const Level level : {Level::kPlain, Level::kAvx2, Level::kAvx512}) {
    if (level <= best_level()) out.push_back(level);
  }
  return out;
}

template <class T>
std::vector<T> normal(std::mt19937_64& random, std::size_t n) {
  std::normal_distribution<double> distribution;
  std::vector<T> out(n);
  for (T& value : out) value = static_cast<T>(distribution(random));
  return out;
}

double slow_quotient(std::int64_t sum, std::int64_t total) {
  const std::int64_t quotient = sum / total;
  return static_cast<double>(quotient) + static_cast<double>(sum % total) / static_cast<double>(total);
}

template <class T>
class Kernels : public testing::Test {};
using Floats = testing::Types<float, double>;
TYPED_TEST_SUITE(Kernels, Floats);

constexpr std::size_t kSizes[] = {0, 1, 7, 16, 31, 33, 1000};

TYPED_TEST(Kernels, SumsAndDistancesAreThoseOfTheObviousLoop) {
  std::mt19937_64 random(1);
  for (const std::size_t n : kSizes) {
    const auto a = normal<TypeParam>(random, n);
    const auto b = normal<TypeParam>(random, n);
    std::vector<double> want(n);
    double square = 0;
    double own = 0;
    TypeParam most = 0;
    for (std::size_t k = 0; k < n; ++k) {
      want[k] = 0.5 * static_cast<double>(k) + 3.0 * static_cast<double>(a[k]);
      square += std::pow(static_cast<double>(a[k]) - static_cast<double>(b[k]), 2);
      own += std::pow(static_cast<double>(a[k]), 2);
      most = std::max(most, std::abs(a[k]));
    }
    for (const Level level : levels()) {
      std::vector<double> sum(n);
      for (std::size_t k = 0; k < n; ++k) sum[k] = 0.5 * static_cast<double>(k);
      add_weighted(sum.data(), a.data(), n, 3.0, level);
      for (std::size_t k = 0; k < n; ++k) ASSERT_DOUBLE_EQ(sum[k], want[k]);
      EXPECT_NEAR(squared_distance(a.data(), b.data(), n, level), square, 1e-12 * square);
      EXPECT_NEAR(squared_distance(a.data(), static_cast<const TypeParam*>(nullptr), n, level), own, 1e-12 * own);
      EXPECT_EQ(largest(a.data(), n, level), most);
      std::vector<TypeParam> rest(n);
      subtract(rest.data(), a.data(), b.data(), n, level);
      for (std::size_t k = 0; k < n; ++k) ASSERT_EQ(rest[k], a[k] - b[k]);
    }
  }
}

TEST(Kernels, TheFirstUpdateAndTheDivision) {
  std::mt19937_64 random(2);
  for (const std::size_t n : kSizes) {
    const auto a = normal<float>(random, n);
    for (const Level level : levels()) {
      std::vector<double> sum(n, 99.0);
      set_weighted(sum.data(), a.data(), n, 7.0, level);
      std::vector<float> mean(n);
      divide(mean.data(), sum.data(), n, 3.0, level);
      for (std::size_t k = 0; k < n; ++k) {
        ASSERT_EQ(sum[k], 7.0 * static_cast<double>(a[k]));
        ASSERT_EQ(mean[k], static_cast<float>(sum[k] / 3.0));
      }
    }
  }
}

TYPED_TEST(Kernels, ANotANumberIsFoundWhereverItIs) {
  using Limits = std::numeric_limits<TypeParam>;
  for (const Level level : levels()) {
    for (const std::size_t n : kSizes) {
      std::vector<TypeParam> values(n, TypeParam(-2));
      EXPECT_TRUE(within(values.data(), n, TypeParam(2), level));
      for (std::size_t k = 0; k < n; k += 1 + n / 20) {
        for (const TypeParam bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), TypeParam(-2.5)}) {
          values[k] = bad;
          EXPECT_FALSE(within(values.data(), n, TypeParam(2), level)) << n << " " << k;
        }
        values[k] = TypeParam(-2);
      }
    }
  }
}

TYPED_TEST(Kernels, FixedPointIsRoundedAndDividedAsTheSlowWayDoes) {
  std::mt19937_64 random(3);
  const double scale = 0x1p34;
  for (const std::size_t n : kSizes) {
    auto values = normal<TypeParam>(random, n);
    for (std::size_t k = 0; k < n; k += 3)
      values[k] = static_cast<TypeParam>(0x1p-35 * static_cast<double>(k));  // ties
    if (n > 5) values[5] = static_cast<TypeParam>(-65536);
    for (const std::int64_t weight : {1, 3, 4093}) {
      std::vector<std::int64_t> want(n, -12345);
      for (std::size_t k = 0; k < n; ++k) {
        want[k] += weight * static_cast<std::int64_t>(std::nearbyint(static_cast<double>(values[k]) * scale));
      }
      const std::int64_t total = weight + 2;
      for (const Level level : levels()) {
        std::vector<std::int64_t> sum(n, -12345);
        add_fixed(sum.data(), values.data(), n, weight, scale, level);
        ASSERT_EQ(sum, want);
        std::vector<TypeParam> mean(n);
        divide_fixed(mean.data(), sum.data(), n, total, 1 / scale, level);
        for (std::size_t k = 0; k < n; ++k) {
          const double value = slow_quotient(sum[k], total);
          ASSERT_EQ(mean[k], static_cast<TypeParam>(value / scale)) << k;
        }
      }
    }
  }
}

TEST(Kernels, FixedPointQuotientsOnTheEdge) {
  // Multiples of the total, one less and one more, both signs, up to the largest sum: the estimate is off there.
  std::vector<std::int64_t> sums;
  const std::int64_t total = (std::int64_t{1} << 24) - 3;
  for (const std::int64_t quotient :
       {std::int64_t{0}, std::int64_t{1}, (std::int64_t{1} << 37) - 1, std::int64_t{1} << 37}) {
    for (const std::int64_t off : {-1, 0, 1}) {
      sums.push_back(quotient * total + off);
      sums.push_back(-quotient * total + off);
    }
  }
  for (const Level level : levels()) {
    std::vector<double> mean(sums.size());
    divide_fixed(mean.data(), sums.data(), sums.size(), total, 0x1p-34, level);
    for (std::size_t k = 0; k < sums.size(); ++k) {
      const double value = slow_quotient(sums[k], total);
      EXPECT_EQ(mean[k], value * 0x1p-34) << sums[k];
    }
  }
}

TYPED_TEST(Kernels, ProductsAreThoseOfAllPairs) {
  std::mt19937_64 random(4);
  constexpr std::size_t kStride = kColumns + 5;
  for (const std::size_t n : {1u, 2u, 3u, 4u, 5u, 9u, 14u}) {
    const auto rows = normal<TypeParam>(random, n * kStride);
    for (const Level level : levels()) {
      std::vector<double> gram(n * n, 1.0);
      add_products(rows.data(), n, kStride, gram.data(), level);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
          double want = 1.0;
          for (std::size_t k = 0; k < kColumns && j <= i; ++k) {
            want += static_cast<double>(rows[i * kStride + k]) * static_cast<double>(rows[j * kStride + k]);
          }
          EXPECT_NEAR(gram[i * n + j], want, sizeof(TypeParam) == 4 ? 1e-3 : 1e-10) << i << " " << j;
        }
      }
    }
  }
}

TYPED_TEST(Kernels, ExtremesAndTheSumOfTheRest) {
  std::mt19937_64 random(5);
  std::uniform_int_distribution<int> few(-3, 3);
  for (const std::size_t trim : {1u, 3u, 8u}) {
    for (const std::size_t n : {2 * trim, 2 * trim + 1, 2 * trim + 9}) {
      std::vector<TypeParam> rows(n * kExtremeColumns);
      for (std::size_t k = 0; k < rows.size(); ++k) {
        rows[k] = static_cast<TypeParam>(k % 2 == 0 ? few(random) : 0.25 * few(random));
      }
      for (const Level level : levels()) {
        for (const std::size_t together : {std::size_t{1}, std::size_t{5}, n}) {
          std::vector<TypeParam> extremes(2 * trim * kExtremeColumns, std::numeric_limits<TypeParam>::quiet_NaN());
          std::vector<double> sum(kExtremeColumns, 0.0);
          for (std::size_t i = 0; i < n; i += together) {
            insert_extremes(extremes.data(), sum.data(), rows.data() + i * kExtremeColumns, std::min(together, n - i),
                            trim, i, level);
          }
          for (std::size_t c = 0; c < kExtremeColumns; ++c) {
            std::vector<double> column;
            for (std::size_t i = 0; i < n; ++i) column.push_back(static_cast<double>(rows[i * kExtremeColumns + c]));
            std::ranges::sort(column);
            double want = 0;
            for (std::size_t i = trim; i + trim < n; ++i) want += column[i];
            ASSERT_DOUBLE_EQ(sum[c], want) << n << " " << trim << " " << together;
          }
        }
      }
    }
  }
}

TEST(Slices, EachIsDoneOnceAndTheyCoverEverything) {
  for (const std::size_t count : {0u, 1u, 15u, 16u, 1000u}) {
    std::vector<std::atomic<int>> done(count);
    for_slices(kSlices, std::size_t{1} << 30, [&](std::size_t slice) {
      const Part part = part_of(count, slice, kSlices);
      for (std::size_t k = part.first; k < part.last; ++k) ++done[k];
    });
    for (const auto& times : done) ASSERT_EQ(times.load(), 1);
  }
}

TEST(Slices, WhatOneThrowsReachesTheCaller) {
  const auto work = [](std::size_t slice) {
    if (slice == 11) throw std::runtime_error("eleven");
  };
  EXPECT_THROW(for_slices(kSlices, std::size_t{1} << 30, work), std::runtime_error);
}

}  // namespace
}  // namespace sedna::federated::kernels
