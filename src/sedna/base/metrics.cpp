#include "sedna/base/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "sedna/base/error.hpp"

namespace sedna::metrics {
namespace {

std::string number(double v) {
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  if (std::isnan(v)) return "NaN";
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", v);
  // The shortest text that reads back the same.
  for (int precision = 1; precision < 17; ++precision) {
    char shorter[32];
    std::snprintf(shorter, sizeof shorter, "%.*g", precision, v);
    if (std::stod(shorter) == v) return shorter;
  }
  return text;
}

std::string label_text(const Labels& labels, std::string_view extra_key = {}, std::string_view extra_value = {}) {
  std::string out;
  const auto append = [&out](std::string_view key, std::string_view value) {
    out += out.empty() ? '{' : ',';
    out += key;
    out += "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += '"';
  };
  for (const auto& [key, value] : labels) append(key, value);
  if (!extra_key.empty()) append(extra_key, extra_value);
  if (!out.empty()) out += '}';
  return out;
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)) {
  SEDNA_CHECK(std::is_sorted(bounds_.begin(), bounds_.end()));
  counts_ = std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1);
}

void Histogram::observe(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(at)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::buckets() const {
  std::vector<std::uint64_t> out(bounds_.size() + 1);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = counts_[i].load(std::memory_order_relaxed);
  return out;
}

std::uint64_t Histogram::count() const {
  std::uint64_t n = 0;
  for (const auto c : buckets()) n += c;
  return n;
}

double Histogram::quantile(double q) const {
  const auto counts = buckets();
  std::uint64_t total = 0;
  for (const auto c : counts) total += c;
  if (total == 0) return 0;
  const double rank = q * static_cast<double>(total);
  double seen = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double here = static_cast<double>(counts[i]);
    if (seen + here >= rank && here > 0) {
      if (i == bounds_.size()) return bounds_.empty() ? 0 : bounds_.back();
      const double low = i == 0 ? 0 : bounds_[i - 1];
      return low + (bounds_[i] - low) * std::clamp((rank - seen) / here, 0.0, 1.0);
    }
    seen += here;
  }
  return bounds_.empty() ? 0 : bounds_.back();
}

std::vector<double> latency_bounds() {
  std::vector<double> out;
  for (double decade = 1e-5; decade < 50; decade *= 10) {
    for (const double step : {1.0, 2.0, 3.5, 6.0}) out.push_back(decade * step);
  }
  out.push_back(60);
  std::sort(out.begin(), out.end());
  return out;
}

struct Registry::Impl {
  struct Family {
    std::string help;
    const char* type = "counter";
    std::map<std::string, std::pair<Labels, std::unique_ptr<Counter>>> counters;
    std::map<std::string, std::pair<Labels, std::unique_ptr<Gauge>>> gauges;
    std::map<std::string, std::pair<Labels, std::unique_ptr<Histogram>>> histograms;
  };
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;

  Family& family(std::string_view name, std::string_view help, const char* type) {
    auto [it, fresh] = families.try_emplace(std::string(name));
    if (fresh) {
      it->second.help = help;
      it->second.type = type;
    }
    SEDNA_CHECK(std::string_view(it->second.type) == type);
    return it->second;
  }
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(impl_->mutex);
  auto& slot = impl_->family(name, help, "counter").counters[label_text(labels)];
  if (!slot.second) slot = {labels, std::make_unique<Counter>()};
  return *slot.second;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(impl_->mutex);
  auto& slot = impl_->family(name, help, "gauge").gauges[label_text(labels)];
  if (!slot.second) slot = {labels, std::make_unique<Gauge>()};
  return *slot.second;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, const Labels& labels,
                               std::vector<double> bounds) {
  const std::lock_guard lock(impl_->mutex);
  auto& slot = impl_->family(name, help, "histogram").histograms[label_text(labels)];
  if (!slot.second) slot = {labels, std::make_unique<Histogram>(std::move(bounds))};
  return *slot.second;
}

std::string Registry::render() const {
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  for (const auto& [name, family] : impl_->families) {
    out += "# HELP " + name + ' ' + family.help + "\n# TYPE " + name + ' ' + family.type + '\n';
    for (const auto& [labels, slot] : family.counters) {
      out += name + labels + ' ' + std::to_string(slot.second->value()) + '\n';
    }
    for (const auto& [labels, slot] : family.gauges) out += name + labels + ' ' + number(slot.second->value()) + '\n';
    for (const auto& [labels, slot] : family.histograms) {
      const auto counts = slot.second->buckets();
      std::uint64_t total = 0;
      for (std::size_t i = 0; i < counts.size(); ++i) {
        total += counts[i];
        const bool last = i == slot.second->bounds().size();
        const std::string bound = last ? "+Inf" : number(slot.second->bounds()[i]);
        out += name + "_bucket" + label_text(slot.first, "le", bound) + ' ' + std::to_string(total) + '\n';
      }
      out += name + "_sum" + labels + ' ' + number(slot.second->sum()) + '\n';
      out += name + "_count" + labels + ' ' + std::to_string(total) + '\n';
    }
  }
  return out;
}

}  // namespace sedna::metrics
