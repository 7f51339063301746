// The text forms of values on the command line. A Problem's message says what is allowed; its field is left to the
// caller, who knows the flag.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace lictor::cli {

// Nothing stands for `never` or `unlimited`, which is null on the wire.
using Limit = std::optional<std::int64_t>;

// Unix seconds, `never`, `+30d` from now, or ISO 8601: 2030-01-31, 2030-01-31T12:00[:00], with Z or +01:00 or, without
// either, in local time.
base::Result<Limit> parse_time(std::string_view text, base::UnixSeconds now);
// Seconds, or numbers with s, m, h, d, w: 10m, 1d12h.
base::Result<std::int64_t> parse_duration(std::string_view text);
base::Result<Limit> parse_duration_or_never(std::string_view text);
// A whole number from 0, or `unlimited`.
base::Result<Limit> parse_limit(std::string_view text);

using Member = std::pair<std::string, boost::json::value>;
// NAME or NAME=LIMIT → the member of `features`.
base::Result<Member> parse_feature(std::string_view text);
// METRIC=AMOUNT/PERIOD, the amount a number or `unlimited` → the member of `quotas`.
base::Result<Member> parse_quota(std::string_view text);
// MEMBER=JSON; a single word that is no JSON is taken as a text.
base::Result<Member> parse_assignment(std::string_view text);
// Adds a member, or CommandError (wrong usage) when `flag` gave it twice.
void add_member(boost::json::object& object, std::string_view flag, Member member);
// CommandError (wrong usage) when one that is to be taken away (--unset) is given, too.
void require_apart(const boost::json::object& given, const std::vector<std::string>& unset);

boost::json::value to_json(const Limit& limit);

// The value, or CommandError (wrong usage) that names the flag, the text and what is allowed.
[[noreturn]] void refuse_value(std::string_view flag, std::string_view text, const base::Problem& problem);
// A time as of a filter: parse_time() without `never`, and `-7d`, so long ago. `allowed`: what is told instead of the
// forms of times, where others are usual.
std::int64_t required_moment(std::string_view flag, std::string_view text, base::UnixSeconds now,
                             std::string_view allowed = {});
// CommandError (wrong usage) that names both flags when the end is not after the beginning.
struct FlagTime {
  std::string_view flag, text;
  std::int64_t seconds = 0;
};
void require_order(const FlagTime& from, const FlagTime& to);
// A time that is not `never`.
std::int64_t required_time(std::string_view flag, std::string_view text, base::UnixSeconds now);
template <class T>
T required_value(std::string_view flag, std::string_view text, base::Result<T> parsed) {
  if (!parsed) refuse_value(flag, text, parsed.problem());
  return *std::move(parsed);
}

}  // namespace lictor::cli
