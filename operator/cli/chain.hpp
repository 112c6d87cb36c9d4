#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/reconciler/plan.hpp"
#include "operator/reconciler/prober.hpp"

namespace imageclassifier::cli {

/// What stands between an ImageClassifier and its answer to a browser, in the order in which one needs the other:
/// resource, secret, image, pods, load balancer, HTTP.
struct Link {
  enum class State {
    kGood,
    kWaiting,  ///< goes on by itself, or waits for an earlier link
    kBroken,
    kNote,    ///< nothing is wrong, but somebody may be sorry later
    kUnknown  ///< cannot be told from here
  };
  std::string name;
  State state = State::kUnknown;
  std::string reason;  ///< of the table of reasons (`explain`); may be empty
  std::string text;
  std::string remedy;  ///< may be empty
};

const char* to_string(Link::State state) noexcept;

/// What would be asked from here; nothing if there is no address, or nobody to answer.
std::optional<reconciler::ProbeTarget> target_to_ask(const reconciler::Observed& observed,
                                                     const reconciler::Plan& plan);

/// The chain as it is in the cluster; `probe` is the answer to target_to_ask(). Pure.
std::vector<Link> walk(const reconciler::Observed& observed, const std::optional<reconciler::ProbeResult>& probe,
                       WallTime now);

/// The first that is broken, else the first that waits; nullptr if all is well.
const Link* first_fault(const std::vector<Link>& chain);

/// One screen: a line for each link, then the first fault and what to do about it.
std::string format(const std::vector<Link>& chain, const std::string& title);

}  // namespace imageclassifier::cli
