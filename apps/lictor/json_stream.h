// Reads a JSON object whose members are long arrays, an element at a time, from text that comes in pieces: a file of
// any length in little memory. An array alone is taken for an object with it as its only member.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace lictor::cli {

class JsonStream {
 public:
  // Gives the next piece into the buffer and says how long it is; 0 at the end.
  using Source = std::function<std::size_t(char* buffer, std::size_t size)>;
  // What `wants` refuses is passed over, and its elements are not given. `alone`: the name of an array that is alone.
  JsonStream(Source source, std::function<bool(std::string_view member)> wants, std::string_view alone);

  struct Element {
    std::string member;    // of the object
    std::size_t line = 0;  // in the file, from 1, where the value begins
    boost::json::value value;
  };
  // An element of an array that is a member, or the value of a member that is none. Nothing at the end of the object.
  // Throws CommandError with the line of what is no JSON.
  std::optional<Element> next();

 private:
  enum class State { start, members, elements, end };

  int peek();
  int take();
  int peek_past_space();
  void expect(char wanted);
  std::string read_string();
  std::string read_value();  // the text of one value
  [[noreturn]] void fail(std::string_view what) const;
  std::optional<Element> next_element();
  std::optional<Element> next_member();

  Source source_;
  std::function<bool(std::string_view)> wants_;
  std::string buffer_;
  std::size_t position_ = 0;
  std::size_t size_ = 0;
  std::size_t line_ = 1;
  State state_ = State::start;
  std::string member_;  // the one that is read
  bool first_ = true;   // of the array or the object
  std::string alone_;
  bool is_alone_ = false;
  void finish(const char* what);
};

}  // namespace lictor::cli
