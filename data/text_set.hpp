#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <weft/data/vocabulary.hpp>

namespace weft {

/// Labelled texts as ids of their words: what a TextLoader turns into tensors.
struct TextSet {
  int classes = 0;                      ///< labels are in [0, classes)
  std::vector<std::int32_t> labels;     ///< [size]
  std::vector<std::int32_t> ids;        ///< of all texts, one behind the other
  std::vector<std::int64_t> starts{0};  ///< [size + 1]: text i is ids [starts[i], starts[i + 1])

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
  std::span<const std::int32_t> text(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    return {ids.data() + starts[at], static_cast<std::size_t>(starts[at + 1] - starts[at])};
  }
  void add(std::span<const std::int32_t> text, std::int32_t label);
};

/// A training and a test set of one vocabulary, and at times texts of the training set held out for validation.
struct TextData {
  std::string name;    ///< "AG News", or the folder's name for any other set
  std::string source;  ///< where it was found, in one line
  Vocabulary vocabulary;
  std::vector<std::string> classes;  ///< their names, by label
  TextSet train, test;
  TextSet validation{};  ///< of size 0: none held out
};

/// Throws ShapeError, naming `op`, if the parts of a set disagree.
void check_consistent(const TextSet& set, const char* op);

/// Takes the last floor(share * size) texts out of a set. By position, for neighbours in a stream of news are near-duplicates: a random
/// choice would put one of a pair on either side. Throws UsageError unless share is in [0, 1), ShapeError as check_consistent.
TextSet hold_out(TextSet& set, double share);

}  // namespace weft
