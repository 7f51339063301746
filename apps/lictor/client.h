// Calls to the administration of a lictord (docs/http-api.md).
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lictor/connection.h"

namespace lictor::cli {

using Query = std::vector<std::pair<std::string, std::string>>;  // what is empty is left out

struct Listing {
  boost::json::array items;
  bool more = false;  // there are others that were not asked for
};

// One connection that is kept alive; not thread-safe. Redirects are not followed: the API key goes to the address that
// was given and nowhere else. Every call throws CommandError when it isn't answered or refused.
class Client {
 public:
  Client(Connection connection, std::chrono::milliseconds timeout);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const Connection& connection() const noexcept { return connection_; }

  // The `data` of the answer. `path` is below /api/v1/admin and may hold nothing that needs escaping.
  boost::json::object get(std::string_view path, const Query& query = {});
  boost::json::object post(std::string_view path, const boost::json::object& body = {});
  // Follows `next_cursor` until `limit` items are there (nothing: to the end). `member` is the array's name.
  Listing list(std::string_view path, std::string_view member, const Query& query, std::optional<std::size_t> limit);

 private:
  class Transfer;
  struct Answer;
  boost::json::object data_of(const Answer& answer) const;
  [[noreturn]] void refuse(const Answer& answer, const boost::json::object& envelope) const;
  [[noreturn]] void refuse_foreign(const Answer& answer) const;

  Connection connection_;
  std::unique_ptr<Transfer> transfer_;
};

}  // namespace lictor::cli
