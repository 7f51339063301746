// What the fuzz targets are: functions from any bytes to nothing, which throw Violation when a property does not hold.
// libFuzzer runs them (entry.cpp, one program a target, `./dev fuzz`), and so do the ordinary tests, over the kept
// corpora and the seeds (replay_test.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace lictor::fuzz {

struct Violation : std::logic_error {
  using std::logic_error::logic_error;
};

inline void require(bool holds, std::string_view property) {
  if (!holds) throw Violation(std::string(property));
}
// Both sides are shown when they differ.
template <class A, class B>
void require_equal(const A& a, const B& b, std::string_view property) {
  if (a == b) return;
  throw Violation(std::string(property).append("\n  ").append(a).append("\n  ").append(b));
}

struct Target {
  std::string_view name;  // of the program, the corpus directory and the dictionary
  void (*run)(std::string_view input);
  std::vector<std::string> (*seeds)();            // what fuzzing starts from
  std::vector<std::string_view> (*dictionary)();  // words worth trying
};
std::span<const Target> targets();
const Target& target_of(std::string_view name);  // throws std::out_of_range

// Takes an input apart: numbers from its front, then the rest as text.
class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  std::string_view line() {  // up to a line feed, which is taken too
    const std::string_view text = bytes_.substr(0, bytes_.find('\n'));
    bytes_.remove_prefix(text.size() < bytes_.size() ? text.size() + 1 : text.size());
    return text;
  }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace lictor::fuzz
