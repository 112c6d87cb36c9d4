#pragma once

#include <string>

#include "operator/runtime/event.hpp"

namespace testing_types {

/// An event about Thing zoo/pets that says `text`.
inline imageclassifier::runtime::Event note(const std::string& text) {
  imageclassifier::runtime::Event event;
  event.reason = "Happened";
  event.action = "Do";
  event.regarding = {"example.com/v1", "Thing", "zoo", "pets", "u1"};
  event.note = text;
  return event;
}

}  // namespace testing_types
