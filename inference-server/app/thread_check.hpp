#pragma once

namespace imageclassifier::app {

/// More threads than cores do not share them: they wait for each other, and one picture takes many times as long.
/// Whether `threads` of the model, or OMP_NUM_THREADS (null: not set; of a list the first number counts), are more than
/// the `cores` of the cgroup's quota and the affinity mask.
bool oversubscribes(int threads, const char* omp_num_threads, int cores);

/// Warns of it in the log, for this process.
void warn_of_oversubscription(int threads);

}  // namespace imageclassifier::app
