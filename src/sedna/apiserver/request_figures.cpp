#include "sedna/apiserver/request_figures.hpp"

namespace sedna::apiserver {

RequestFigures::RequestFigures(metrics::Registry& registry) : registry_(registry) {
  for (std::size_t verb = 0; verb < seconds_.size(); ++verb) {
    const metrics::Labels labels{{"verb", std::string(verb_name(static_cast<Verb>(verb)))}};
    seconds_[verb] = &registry.histogram("sedna_apiserver_request_seconds",
                                         "From a request about objects to its answer; watches not counted.", labels);
  }
}

void RequestFigures::count(const Kind& kind, Verb verb, int status, SteadyClock::duration took) {
  metrics::Counter* counter = nullptr;
  {
    const std::lock_guard lock(mutex_);
    metrics::Counter*& known = counters_[{&kind, verb, status}];
    if (known == nullptr) {
      const metrics::Labels labels{{"verb", std::string(verb_name(verb))},
                                   {"resource", std::string(kind.plural)},
                                   {"code", std::to_string(status)}};
      known = &registry_.counter("sedna_apiserver_requests_total", "Requests about objects.", labels);
    }
    counter = known;
  }
  counter->add();
  if (verb != Verb::kWatch)
    seconds_[static_cast<std::size_t>(verb)]->observe(std::chrono::duration<double>(took).count());
}

}  // namespace sedna::apiserver
