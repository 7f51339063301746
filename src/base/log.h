// Structured logging: one line for each event, to a rotating file and to stderr.
//
//   logger.info("license.activated", "License activated", {{"license_id", id}, {"seats", 3}});
//
// human: 2026-11-23T05:52:49.123Z INFO  license.activated License activated license_id=lic_… seats=3
// json:  {"time":"2026-11-23T05:52:49.123Z","level":"info","event":"license.activated","message":"License activated",
//         "license_id":"lic_…","seats":3}                             (on one line: https://jsonlines.org)
//
// The event and the message are the program's own words; whatever comes from outside goes into a field, where control
// characters, line ends, quotes, marks that reorder or hide text, and invalid UTF-8 are escaped (security.md, A21).
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace lictor::base {

enum class Level : std::uint8_t { trace, debug, info, warning, error };
enum class LogFormat : std::uint8_t { human, json };

std::string_view level_name(Level level) noexcept;  // "trace" … "error"

// What a field may hold. A text is only viewed, and read before the call it is given to returns.
class FieldValue {
 public:
  using Content = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  template <class T>
  // NOLINTNEXTLINE(google-explicit-constructor)
  requires std::convertible_to<const T&, std::string_view> FieldValue(const T& text)
      : content_(std::string_view(text)) {}
  template <class T>
  // NOLINTNEXTLINE(google-explicit-constructor)
  requires std::is_arithmetic_v<T> FieldValue(T number) : content_(widened(number)) {}

  const Content& content() const noexcept { return content_; }

 private:
  template <class T>
  static Content widened(T number) {
    if constexpr (std::same_as<T, bool>) {
      return number;
    } else if constexpr (std::floating_point<T>) {
      return static_cast<double>(number);
    } else if constexpr (std::signed_integral<T>) {
      return static_cast<std::int64_t>(number);
    } else {
      return static_cast<std::uint64_t>(number);
    }
  }

  Content content_;
};

struct Field {
  std::string_view name;  // a literal of [a-z0-9_]; not "time", "level", "event" or "message"
  FieldValue value;
};

// A text value longer than this is cut, so that no caller can flood the log with one request.
inline constexpr std::size_t kMaxLoggedTextBytes = 2048;

// One line without its line end: what Logger writes.
std::string format_log_line(LogFormat format, std::chrono::system_clock::time_point time, Level level,
                            std::string_view event, std::string_view message, std::span<const Field> fields);

// All members are the caller's to set; the server's defaults are in the table of config/.
struct LogOptions {
  Level level{};
  LogFormat format{};
  std::filesystem::path file;  // its directory is created when missing; empty: no file
  std::size_t max_bytes = 0;   // of one file; then it is renamed to NAME.1.EXT and a new one begun
  unsigned files = 0;          // kept in all, at least 1
  bool to_stderr = false;
  std::size_t queue_lines = 8192;  // that may wait for the disk; when full, the oldest is dropped and counted
};

// Thread-safe. A call formats the line and queues it; it never waits for the disk or the terminal. One thread writes,
// flushing after each warning and error and at least once a second.
class Logger {
 public:
  // Throws std::runtime_error naming the file when it can't be created or written.
  explicit Logger(const LogOptions& options);
  ~Logger();  // writes and flushes what is queued
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  bool enabled(Level level) const noexcept { return level >= level_.load(std::memory_order_relaxed); }
  void set_level(Level level) noexcept { level_.store(level, std::memory_order_relaxed); }

  // Opens the log file anew under its name, for when logrotate has moved it away. Thread-safe. Throws
  // std::runtime_error naming the file when it can't be opened; then the old one is still written to.
  void reopen();

  using Fields = std::initializer_list<Field>;
  void trace(std::string_view event, std::string_view message, Fields fields = {});
  void debug(std::string_view event, std::string_view message, Fields fields = {});
  void info(std::string_view event, std::string_view message, Fields fields = {});
  void warning(std::string_view event, std::string_view message, Fields fields = {});
  void error(std::string_view event, std::string_view message, Fields fields = {});
  void write(Level level, std::string_view event, std::string_view message, std::span<const Field> fields);

  // Lines that were not written because the queue was full, and writes that the disk refused (each may hold many
  // lines).
  std::uint64_t dropped_lines() const;

 private:
  class Output;
  LogFormat format_;
  std::atomic<Level> level_;
  std::unique_ptr<Output> output_;
};

}  // namespace lictor::base
