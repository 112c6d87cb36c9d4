#include "inference-server/app/thread_check.hpp"

#include <cstdlib>

#include "common/log.hpp"
#include "inference-server/model/cpu_count.hpp"

namespace imageclassifier::app {

bool oversubscribes(int threads, const char* omp_num_threads, int cores) {
  const long omp = omp_num_threads != nullptr ? std::strtol(omp_num_threads, nullptr, 10) : 0;
  return threads > cores || omp > cores;
}

void warn_of_oversubscription(int threads) {
  const char* const omp = std::getenv("OMP_NUM_THREADS");
  const int cores = model::usable_cores();
  if (!oversubscribes(threads, omp, cores)) return;
  log::warning("more threads than cores: every picture takes longer",
               {{"threads", threads}, {"omp_num_threads", omp != nullptr ? omp : ""}, {"cores", cores}});
}

}  // namespace imageclassifier::app
