#include "lictor/values.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <ctime>
#include <limits>

#include "base/ascii.h"
#include "lictor/error.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

using base::Problem;
using base::Result;

constexpr std::int64_t kMaxSeconds = 253'402'300'799;  // the end of the year 9999: no time or duration goes beyond

std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t max) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0 || number > max) return std::nullopt;
  return number;
}

// Takes exactly `digits` digits from the front; -1 when there are others.
int take_digits(std::string_view& text, std::size_t digits) {
  const auto number = whole_number(text.substr(0, digits), 9999);
  if (text.size() < digits || !number || text.front() == '+') return -1;
  text.remove_prefix(digits);
  return static_cast<int>(*number);
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

struct CalendarTime {
  std::chrono::year_month_day date;
  int hour = 0, minute = 0, second = 0;
  std::optional<int> offset_seconds;  // east of UTC; nothing: local time
};

bool take_date(std::string_view& text, CalendarTime& time) {
  const int year = take_digits(text, 4);
  const bool first_dash = take(text, '-');
  const int month = take_digits(text, 2);
  const bool second_dash = take(text, '-');
  const int day = take_digits(text, 2);
  if (year < 1970 || !first_dash || month < 1 || !second_dash || day < 1) return false;
  time.date = std::chrono::year(year) / std::chrono::month(static_cast<unsigned>(month)) /
              std::chrono::day(static_cast<unsigned>(day));
  return time.date.ok();
}

bool take_clock(std::string_view& text, CalendarTime& time) {
  time.hour = take_digits(text, 2);
  const bool colon = take(text, ':');
  time.minute = take_digits(text, 2);
  if (take(text, ':')) time.second = take_digits(text, 2);
  return colon && time.hour >= 0 && time.hour < 24 && time.minute >= 0 && time.minute < 60 && time.second >= 0 &&
         time.second < 60;
}

bool take_offset(std::string_view& text, CalendarTime& time) {
  if (text.empty()) return true;
  if (take(text, 'Z') || take(text, 'z')) {
    time.offset_seconds = 0;
    return true;
  }
  const int sign = take(text, '+') ? 1 : take(text, '-') ? -1 : 0;
  const int hours = take_digits(text, 2);
  take(text, ':');
  const int minutes = take_digits(text, 2);
  if (sign == 0 || hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return false;
  time.offset_seconds = sign * (hours * 3600 + minutes * 60);
  return true;
}

std::optional<CalendarTime> read_calendar_time(std::string_view text) {
  CalendarTime time;
  if (!take_date(text, time)) return std::nullopt;
  if (take(text, 'T') || take(text, 't') || take(text, ' ')) {
    if (!take_clock(text, time) || !take_offset(text, time)) return std::nullopt;
  }
  return text.empty() ? std::optional(time) : std::nullopt;
}

std::int64_t unix_seconds(const CalendarTime& time) {
  if (time.offset_seconds) {
    const std::chrono::sys_days days = time.date;
    return std::int64_t{days.time_since_epoch().count()} * 86400 + time.hour * 3600 + time.minute * 60 + time.second -
           *time.offset_seconds;
  }
  std::tm local{};
  local.tm_year = static_cast<int>(time.date.year()) - 1900;
  local.tm_mon = static_cast<int>(static_cast<unsigned>(time.date.month())) - 1;
  local.tm_mday = static_cast<int>(static_cast<unsigned>(time.date.day()));
  local.tm_hour = time.hour;
  local.tm_min = time.minute;
  local.tm_sec = time.second;
  local.tm_isdst = -1;  // whatever holds on that day
  return std::mktime(&local);
}

std::optional<std::int64_t> unit_seconds(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    case 'w':
      return 7 * 86400;
    default:
      return std::nullopt;
  }
}

std::optional<std::int64_t> read_duration(std::string_view text) {
  if (const auto seconds = whole_number(text, kMaxSeconds)) return seconds;
  std::int64_t total = 0;
  while (!text.empty()) {
    const std::size_t digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    const auto number = whole_number(text.substr(0, digits), kMaxSeconds);
    const auto unit = unit_seconds(text[digits]);
    if (!number || !unit || *number > (kMaxSeconds - total) / *unit) return std::nullopt;
    total += *number * *unit;
    text.remove_prefix(digits + 1);
  }
  return total;
}

constexpr std::string_view kDurationForm = "a number of seconds or a duration such as 90s, 10m, 12h, 365d, 4w or 1d12h";

constexpr std::string_view kMomentForm =
    "a date such as 2030-01-31 or 2030-01-31T12:00:00Z (local time without Z or an offset), -7d for seven days ago, "
    "+30d, or Unix seconds";

bool is_word(std::string_view text) {
  const auto is_inner = [](char c) { return base::is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; };
  if (text.empty() || !base::is_letter(text.front())) return false;
  for (const char c : text) {
    if (!is_inner(c)) return false;
  }
  return true;
}

}  // namespace

Result<Limit> parse_time(std::string_view text, base::UnixSeconds now) {
  if (text == "never") return Limit();
  if (const auto seconds = whole_number(text, kMaxSeconds)) return Limit(*seconds);
  if (text.size() > 1 && text.front() == '+') {
    if (const auto ahead = read_duration(text.substr(1)); ahead && *ahead <= kMaxSeconds - now)
      return Limit(now + *ahead);
  } else if (const auto time = read_calendar_time(text)) {
    return Limit(unix_seconds(*time));
  }
  return Problem{
      {},
      "Unix seconds, never, +30d, or a date such as 2030-01-31 or 2030-01-31T12:00:00Z (local time without Z "
      "or an offset)"};
}

Result<std::int64_t> parse_duration(std::string_view text) {
  if (const auto seconds = text.empty() ? std::nullopt : read_duration(text)) return *seconds;
  return Problem{{}, std::string(kDurationForm)};
}

Result<Limit> parse_duration_or_never(std::string_view text) {
  if (text == "never") return Limit();
  if (const auto seconds = text.empty() ? std::nullopt : read_duration(text)) return Limit(*seconds);
  return Problem{{}, std::string(kDurationForm) + ", or never"};
}

Result<Limit> parse_limit(std::string_view text) {
  if (text == "unlimited") return Limit();
  if (const auto number = whole_number(text, std::numeric_limits<std::int64_t>::max())) return Limit(*number);
  return Problem{{}, "a whole number from 0, or unlimited"};
}

Result<Member> parse_feature(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string name(text.substr(0, equals));
  if (!name.empty() && equals == std::string_view::npos) return Member(name, nullptr);
  const auto limit = parse_limit(text.substr(equals == std::string_view::npos ? text.size() : equals + 1));
  if (name.empty() || !limit) return Problem{{}, "NAME, or NAME=LIMIT with a whole number or unlimited"};
  return Member(name, *limit ? json::value(json::object{{"limit", **limit}}) : json::value(nullptr));
}

Result<Member> parse_quota(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::size_t slash = text.rfind('/');
  const Problem problem{
      {},
      "METRIC=AMOUNT/PERIOD, such as api_calls=10000/month; the amount may be unlimited, the period is "
      "total, hour, day, month or year"};
  if (equals == std::string_view::npos || slash == std::string_view::npos || equals == 0 || slash < equals)
    return problem;
  const auto amount = parse_limit(text.substr(equals + 1, slash - equals - 1));
  const std::string_view period = text.substr(slash + 1);
  if (!amount || period.empty()) return problem;
  return Member(std::string(text.substr(0, equals)),
                json::object{{"amount", to_json(*amount)}, {"period", json::string(period)}});
}

Result<Member> parse_assignment(std::string_view text) {
  const std::size_t equals = text.find('=');
  const Problem problem{{}, "MEMBER=JSON, such as grace=86400 or features={\"export\":null}"};
  if (equals == std::string_view::npos || equals == 0) return problem;
  const std::string_view value = text.substr(equals + 1);
  boost::system::error_code error;
  json::value parsed = json::parse(json::string_view(value.data(), value.size()), error);
  if (error && !is_word(value)) return problem;
  if (error) parsed = json::string(value);
  return Member(std::string(text.substr(0, equals)), std::move(parsed));
}

void add_member(json::object& object, std::string_view flag, Member member) {
  const auto [place, added] = object.emplace(member.first, std::move(member.second));
  if (!added) throw CommandError(ExitCode::usage, fmt::format("{}: {} is given twice", flag, printable(member.first)));
}

void require_apart(const json::object& given, const std::vector<std::string>& unset) {
  for (const std::string& name : unset) {
    if (given.contains(name))
      throw CommandError(ExitCode::usage, fmt::format("--unset {}: it is set, too", printable(name)));
  }
}

json::value to_json(const Limit& limit) { return limit ? json::value(*limit) : json::value(nullptr); }

std::int64_t required_time(std::string_view flag, std::string_view text, base::UnixSeconds now) {
  const Limit time = required_value(flag, text, parse_time(text, now));
  if (!time) refuse_value(flag, text, {{}, "a time"});
  return *time;
}

std::int64_t required_moment(std::string_view flag, std::string_view text, base::UnixSeconds now,
                             std::string_view allowed) {
  if (text.size() > 1 && text.front() == '-') {
    if (const auto ago = read_duration(text.substr(1)); ago && *ago <= now) return now - *ago;
  } else if (const auto time = parse_time(text, now); time && *time) {
    return **time;
  }
  refuse_value(flag, text, {{}, std::string(allowed.empty() ? kMomentForm : allowed)});
}

void require_order(const FlagTime& from, const FlagTime& to) {
  if (from.seconds < to.seconds) return;
  throw CommandError(ExitCode::usage, fmt::format("{} {}: must be later than {} {}", to.flag, printable(to.text),
                                                  from.flag, printable(from.text)));
}

void refuse_value(std::string_view flag, std::string_view text, const base::Problem& problem) {
  throw CommandError(ExitCode::usage,
                     fmt::format("{} {}: not allowed; give {}", flag, printable(text), problem.message));
}

}  // namespace lictor::cli
