#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace weft::bench {

/// Every number measured for one cell of a table, by name ("share of probe", "gflops", "vs oneDNN", …).
struct Cell {
  std::string name;  ///< "bsr/forward/K1024/b16/d10/N64"
  int threads = 1;
  std::map<std::string, double> numbers;
};

/// How a figure reads.
enum class Unit { share, ratio };
std::string show(double value, Unit unit);

/// Prints tables as they grow, keeps all numbers for --json, and remembers where weft loses or misses a floor.
class Results {
 public:
  void line(const std::string& text) const;
  void heading(const std::string& text) const;
  void fact(const std::string& name, const std::string& value);
  bool empty() const { return cells_.empty(); }
  void cell(Cell cell) { cells_.push_back(std::move(cell)); }

  /// "PASS" or "BELOW"; a miss enters the list of losses.
  std::string judge(const std::string& what, double value, double floor, Unit unit);
  /// Enters the list of losses as it is.
  void lost(const std::string& what) { losses_.push_back(what); }
  void print_losses() const;

  /// Writes facts, cells, judgements and losses as JSON. Throws FormatError if the file cannot be written.
  void write_json(const std::string& path) const;

 private:
  struct Judgement {
    std::string what;
    double value, floor;
  };
  std::vector<std::pair<std::string, std::string>> facts_;
  std::vector<Cell> cells_;
  std::vector<Judgement> judgements_;
  std::vector<std::string> losses_;
};

/// A text padded on the left (right-aligned) or on the right to a width in characters.
std::string right(const std::string& text, std::size_t width);
std::string left(const std::string& text, std::size_t width);
std::string fixed(double value, int decimals);

}  // namespace weft::bench
