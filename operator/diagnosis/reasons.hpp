#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "operator/api/image_classifier.hpp"

namespace imageclassifier::diagnosis {

/// Whether waiting helps while a reason lasts.
enum class Outlook {
  kGood,     ///< nothing to do
  kWaiting,  ///< goes on by itself, or may
  kFailing,  ///< broken, but retried: may be cured from outside
  kStalled   ///< retrying cannot help until somebody acts
};

/// One row of the closed list of reasons.
struct Reason {
  std::string_view name;  ///< CamelCase, as in conditions
  Outlook outlook;
  /// How specific the reason is; of several failures the one with the highest depth is the cause to report.
  int depth;
  /// One or two sentences with placeholders in braces: "The Secret {secret} does not exist."
  std::string_view message;
  /// What to do; ends the message of a condition. Empty where there is nothing to do.
  std::string_view remedy;
};

/// All reasons, by name.
std::span<const Reason> all_reasons();
/// nullptr if the name is not on the list.
const Reason* find_reason(std::string_view name);

/// A reason applied to an object.
struct Finding {
  const Reason* reason = nullptr;
  std::string message;  ///< filled in, without the remedy
  std::string remedy;   ///< filled in
  std::string object;   ///< "Pod", "Service pets": where it was seen; without generated names
  std::string pod_name;
  std::string container_name;
  std::optional<std::int64_t> exit_code;

  std::string_view name() const { return reason->name; }
  /// Message and remedy, at most api::kMaxMessageBytes; what is too long is cut out of the message.
  std::string text() const;
};

using Values = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Fills the placeholders of the reason called `name`, which must be on the list. Values are made fit for a status:
/// control characters become spaces, at most 400 bytes each. An unknown placeholder stays empty.
Finding make_finding(std::string_view name, Values values = {});

/// The finding with the message and the remedy that the condition shows for the same reason: what is no news is not
/// told in other words.
Finding as_told(Finding finding, const api::Condition& condition);

/// The deeper of the two; the first if they are equal.
const Finding& deeper(const Finding& left, const Finding& right);

/// Text of foreign origin made fit for a status: one line, valid UTF-8, at most `limit` bytes, whole characters.
std::string clean_text(std::string_view text, std::size_t limit);

}  // namespace imageclassifier::diagnosis
