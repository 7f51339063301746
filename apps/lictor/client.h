// Calls to the administration of a lictord (docs/http-api.md).
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lictor/connection.h"
#include "lictor/transfer.h"

namespace lictor::cli {

using Query = std::vector<std::pair<std::string, std::string>>;  // what is empty is left out

struct Listing {
  boost::json::array items;
  bool more = false;  // there are others that were not asked for
};

// Not thread-safe. Every call throws CommandError when it isn't answered, RefusedError when it is refused. `path` is
// below /api/v1/admin and may hold nothing that needs escaping; `if_match` is an ETag with or without its quotes, or *.
class Client {
 public:
  Client(Connection connection, std::chrono::milliseconds timeout);

  const Connection& connection() const noexcept { return connection_; }
  const std::string& etag() const noexcept {
    return etag_;
  }  // of the latest answer, without quotes; empty: it had none

  // The `data` of the answer.
  boost::json::object get(std::string_view path, const Query& query = {});
  boost::json::object post(std::string_view path, const boost::json::object& body = {},
                           const std::string& if_match = {});
  boost::json::object post_text(std::string_view path, std::string body);  // JSON
  boost::json::object patch(std::string_view path, const boost::json::object& body, const std::string& if_match = {});
  boost::json::object remove(std::string_view path, const std::string& if_match = {});
  // Follows `next_cursor` until `limit` items are there (nothing: to the end). `member` is the array's name, `page` the
  // most that this list gives at once.
  Listing list(std::string_view path, std::string_view member, const Query& query, std::optional<std::size_t> limit,
               std::size_t page = 500);
  // Calls `visit` with the `data` of each page, to the end or until it says false. Pages may be empty.
  void pages(std::string_view path, Query query, const std::function<bool(const boost::json::object&)>& visit);

 private:
  Answer exchange(Method method, std::string_view path, std::string body, const std::string& if_match);
  boost::json::value data_of(const Answer& answer, boost::json::storage_ptr storage = {}) const;
  [[noreturn]] void refuse(const Answer& answer, const boost::json::object& envelope) const;
  [[noreturn]] void refuse_foreign(const Answer& answer) const;

  Connection connection_;
  Transfer transfer_;
  std::string etag_;
};

}  // namespace lictor::cli
