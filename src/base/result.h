// Result<T>: what a parser of outside input returns; either a value or a Problem that names the input at fault.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace lictor::base {

// Why an input was refused, in words for the person who sent it.
struct Problem {
  std::string field;           // the member, option or column at fault; empty when it is the whole
  std::string message;         // what is wrong and what is allowed
  bool unknown_field = false;  // there is no field of that name
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Problem problem) : state_(std::in_place_index<1>, std::move(problem)) {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Problem& problem() const { return std::get<1>(state_); }

 private:
  std::variant<T, Problem> state_;
};

}  // namespace lictor::base
