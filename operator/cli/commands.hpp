#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace imageclassifier::cli {

/// The objects that the operator makes from the ImageClassifier in `text` (YAML or JSON), as YAML documents. The pull
/// Secret is only mentioned: it is made from a credential that is not in the resource.
Result<std::string> render(std::string_view text);

/// The same for the content of a file of at most 10 MiB; "-" is standard input. Errors: those of read_file too.
Result<std::string> render_file(const std::string& file);

/// What a reason means and what to do; kNotFound if it is not on the list.
Result<std::string> explain(std::string_view reason);

/// All reasons, one a line.
std::string list_reasons();

}  // namespace imageclassifier::cli
