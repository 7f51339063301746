// Why a request was refused, in plain words, and what to do about it.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lictor::cli {

struct Explanation {
  std::string what;               // in one sentence
  std::vector<std::string> why;   // the details
  std::vector<std::string> todo;  // commands to paste among them
};

// What is known beside the refusal; empty when it isn't.
struct Circumstances {
  boost::json::object license;  // as it is now: GET /licenses/{id}
  boost::json::object seats;    // as they are now: an element of GET /seats
  std::int64_t now = 0;
};

// `refusal`: an element of GET /refusals.
Explanation explain(const boost::json::object& refusal, const Circumstances& around);
bool is_explained(std::string_view code);
bool wants_seats(std::string_view code);  // whether the explanation tells who holds them

}  // namespace lictor::cli
