#include <weft/data/tokenizer.hpp>

#include <cstddef>

namespace weft {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_of_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_space(char c) { return (c >= '\0' && c <= ' ') || c == '\\' || c == '\x7f'; }
bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char upper : text) {
    const char c = lower(upper);
    if (is_of_word(c)) {
      if (!inside) words.emplace_back();
      words.back() += c;
    }
    inside = is_of_word(c);
  }
  return words;
}

std::vector<std::string> characters_of(std::string_view text) {
  std::vector<std::string> characters;
  for (const char c : text) {
    if (continues_character(c) && !characters.empty()) characters.back() += c;
    else if (!is_space(c)) characters.emplace_back(1, lower(c));
    else if (characters.empty() || characters.back() != " ") characters.emplace_back(" ");
  }
  return characters;
}

}  // namespace

std::vector<std::string> tokens_of(std::string_view text, Tokenizer tokenizer) {
  return tokenizer == Tokenizer::words ? words_of(text) : characters_of(text);
}

}  // namespace weft
