// What a request may carry, as tables: the members of a body or the parameters of a query. One table reads the request,
// names what is wrong with it and what is allowed, and describes it in docs/http-api.md.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/requests.h"

namespace lictor::api {

inline constexpr std::int64_t kMaxTime = 253402300799;     // the end of year 9999
inline constexpr std::int64_t kMaxStartTime = 4294967294;  // 2106, see service/cache_record.h
inline constexpr std::int64_t kMaxCursor = INT64_MAX;

enum class FieldType : std::uint8_t {
  text,     // least (0: 1) to `most` bytes without control characters
  integer,  // least … most
  boolean,
  time,    // Unix seconds, least … most
  choice,  // one of `choices`
  object,
  array,
  cursor,  // the next_cursor of an earlier answer
};

struct Field {
  std::string_view name;
  FieldType type;
  std::string_view help;
  std::int64_t most = 0;
  std::int64_t least = 0;
  std::string_view choices = {};   // separated by '|'
  std::string_view standard = {};  // what holds when it is missing, for the documentation
  bool required = false;
  bool nullable = false;  // null means something of its own, and not "not given"
};

// "a whole number from 1 to 500"
std::string allowed_text(const Field& field);
// "product, policy, count"
std::string names_of(std::span<const Field> fields);

// The members that were given and are allowed. Members of other types than the one asked for count as not given, so ask
// for what the table says.
class Arguments {
 public:
  Arguments() = default;
  explicit Arguments(boost::json::object members) : members_(std::move(members)) {}

  std::optional<std::string> text(std::string_view name) const;
  std::string text_or(std::string_view name, std::string_view otherwise = {}) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name) const;
  const boost::json::object* object(std::string_view name) const;
  const boost::json::array* array(std::string_view name) const;
  bool is_null(std::string_view name) const;  // null was given
  const boost::json::object& members() const noexcept { return members_; }

 private:
  boost::json::object members_;
};

// `where` goes before the names of members: "licenses[3]." for the rows of a bulk call.
std::optional<RequestFault> check_members(std::span<const Field> fields, const boost::json::object& members,
                                          std::string_view where = {});
// A query as members: texts become what the table says they are; what can't is named by `fault`.
boost::json::object members_of_query(std::span<const Field> fields, std::string_view query,
                                     std::optional<RequestFault>& fault);

}  // namespace lictor::api
