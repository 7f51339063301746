// Whether a list that is read page by page comes to an end.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <unordered_set>

namespace lictor::cli {

class PageWatch {
 public:
  // So many pages in a row may be empty: a filter that fits few licenses passes over 600 of them a page.
  static constexpr std::size_t kMostEmpty = 100'000;

  // The `next_cursor` of a page, empty at the end. Throws CommandError when the list turns in a circle or has nothing
  // but empty pages.
  std::string next(const boost::json::object& page);

 private:
  std::unordered_set<std::string> seen_;
  std::size_t empty_ = 0;  // pages in a row
};

}  // namespace lictor::cli
