#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// What a text is cut into.
enum class Tokenizer {
  words,      ///< runs of letters a-z and digits, in lower case; whatever lies between them is dropped
  characters  ///< UTF-8 characters, A-Z in lower case; backslashes and runs of white space and control characters are one space
};

/// The tokens of a text in UTF-8, in order.
std::vector<std::string> tokens_of(std::string_view text, Tokenizer tokenizer);

}  // namespace weft
