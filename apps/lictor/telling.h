// What the functions of the table of explanations (explain.cpp) write with.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "lictor/explain.h"
#include "lictor/json_fields.h"
#include "lictor/text.h"

namespace lictor::cli {

class Telling {
 public:
  Telling(const boost::json::object& refusal, const Circumstances& around, Explanation& out)
      : refusal_(refusal), details_(object_of(refusal, "details")), around_(around), out_(out) {}

  template <class... Values>
  void why(fmt::format_string<Values...> format, Values&&... values) {
    out_.why.push_back(fmt::format(format, std::forward<Values>(values)...));
  }
  template <class... Values>
  void todo(fmt::format_string<Values...> format, Values&&... values) {
    out_.todo.push_back(fmt::format(format, std::forward<Values>(values)...));
  }

  const Circumstances& around() const { return around_; }
  const boost::json::object& details() const { return details_; }
  std::string detail(std::string_view name) const { return text_of(details_, name); }
  std::optional<std::int64_t> number(std::string_view name) const { return number_of(details_, name); }
  std::string time(std::string_view name, std::string_view otherwise = "an unknown time") const {
    const auto at = number_of(details_, name);
    return at ? format_time(*at) : std::string(otherwise);
  }
  std::string list(std::string_view name) const { return joined_texts(array_of(details_, name)); }
  // For commands to paste; a word in capitals when it is not known.
  std::string license() const { return named(text_of(refusal_, "license_id"), "LICENSE"); }
  std::string client() const { return named(text_of(refusal_, "client_id"), "CLIENT_ID"); }
  std::string endpoint() const { return named(text_of(refusal_, "endpoint"), "this call"); }
  std::string message() const { return text_of(refusal_, "message"); }

 private:
  static std::string named(std::string text, const char* otherwise) {
    return text.empty() ? otherwise : std::move(text);
  }

  const boost::json::object& refusal_;
  boost::json::object details_;
  const Circumstances& around_;
  Explanation& out_;
};

// An entry of the table.
struct Explainer {
  std::string_view code;
  std::string_view what;
  void (*tell)(Telling&);
};

// Of the license and the seat; of the request itself.
extern const std::vector<Explainer> kLicenseExplainers;
extern const std::vector<Explainer> kRequestExplainers;

}  // namespace lictor::cli
