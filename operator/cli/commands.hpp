#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace imageclassifier::cli {

/// The objects that the operator makes from the ImageClassifier in `text` (YAML or JSON), as YAML documents. The pull
/// Secret is only mentioned: it is made from a credential that is not in the resource.
struct Rendered {
  std::string objects;
  std::string warnings;  ///< a line each: fields that nobody reads
};
Result<Rendered> render(std::string_view text);

/// The same for the content of a file of at most 10 MiB; "-" is standard input. Errors: those of read_file too.
Result<Rendered> render_file(const std::string& file);

/// The Role and the RoleBinding, alone, that let the operator, whose ServiceAccount is `account` ("NAMESPACE:NAME"),
/// ask for tokens of the one that the ImageClassifier in `text` names; kInvalidArgument if it names none.
Result<std::string> grant(std::string_view text, std::string_view account);
/// As render_file().
Result<std::string> grant_file(const std::string& file, std::string_view account);

/// What a reason, or a word of Kubernetes about pods, means and what to do, in whatever case it is written; kNotFound
/// if it is neither.
Result<std::string> explain(std::string_view reason);

/// "pets" of "pets" and of what kubectl takes for it, "ic/pets"; kInvalidArgument, with what to write, of anything
/// else.
Result<std::string> resource_name(std::string_view argument);

/// All reasons, one a line.
std::string list_reasons();

}  // namespace imageclassifier::cli
