#include "lictor/page_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace {

constexpr const char* kHint = "what answers is no lictord of this version, or something between changes its answers";

bool is_empty(const boost::json::object& page) {
  return std::none_of(page.begin(), page.end(), [](const auto& member) {
    return member.value().is_array() && !member.value().get_array().empty();
  });
}

}  // namespace

std::string PageWatch::next(const boost::json::object& page) {
  std::string cursor = text_of(page, "next_cursor");
  if (cursor.empty()) return cursor;
  if (!seen_.insert(cursor).second) {
    throw CommandError(
        ExitCode::refused,
        fmt::format("the server's list does not come to an end: next_cursor {} is there again", printable(cursor)),
        kHint);
  }
  empty_ = is_empty(page) ? empty_ + 1 : 0;
  if (empty_ > kMostEmpty) {
    throw CommandError(ExitCode::refused,
                       fmt::format("the server's list does not come to an end: {} pages in a row were empty", empty_),
                       kHint);
  }
  return cursor;
}

}  // namespace lictor::cli
