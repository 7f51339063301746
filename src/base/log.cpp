#include "base/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>

#include <array>
#include <charconv>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace lictor::base {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames{"trace", "debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 5> kHumanLevels{"TRACE ", "DEBUG ", "INFO  ", "WARN  ", "ERROR "};
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kCutMark = "…";

// ---- characters ----------------------------------------------------------------------------------------------------

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 1;
  bool valid = false;
};

// The first character of `text`, which is not empty (RFC 3629, section 4: no overlong forms, surrogates or values above
// U+10FFFF). An invalid byte counts as a character of its own.
CodePoint first_code_point(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  char32_t value = lead & (0x7Fu >> length);
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0u) != 0x80u) return {};
    value = value << 6 | (byte(at) & 0x3Fu);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {};
  return {value, length, true};
}

// Controls, and the marks that break lines, reorder or hide text in a terminal or an editor (Unicode TR36, TR9).
bool must_escape(char32_t c) noexcept {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
         (c >= 0xE0000 && c <= 0xE007F);
}

void append_hex(std::string& out, unsigned value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += kHexDigits[value >> shift & 0xFu];
}

// The escapes of RFC 8259, section 7; beyond the basic plane as a surrogate pair.
void append_escaped(std::string& out, char32_t c) {
  if (c == U'\n') {
    out += "\\n";
  } else if (c == U'\r') {
    out += "\\r";
  } else if (c == U'\t') {
    out += "\\t";
  } else if (c < 0x10000) {
    out += "\\u";
    append_hex(out, c, 4);
  } else {
    out += "\\u";
    append_hex(out, 0xD800u + ((c - 0x10000u) >> 10), 4);
    out += "\\u";
    append_hex(out, 0xDC00u + ((c - 0x10000u) & 0x3FFu), 4);
  }
}

// JSON has no way to write a byte that is not text, so there it becomes U+FFFD; people get to see which byte it was.
void append_invalid_byte(std::string& out, LogFormat format, char byte) {
  if (format == LogFormat::json) {
    out += "\\ufffd";
  } else {
    out += "\\x";
    append_hex(out, static_cast<unsigned char>(byte), 2);
  }
}

bool is_plain(char c) noexcept { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

// Appends `text` so that it stays on its line and inside its quotes.
void append_text(std::string& out, LogFormat format, std::string_view text) {
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const CodePoint point = first_code_point(text);
    if (!point.valid) {
      append_invalid_byte(out, format, text.front());
    } else if (point.value == U'"' || point.value == U'\\') {
      out += '\\';
      out += text.front();
    } else if (must_escape(point.value)) {
      append_escaped(out, point.value);
    } else {
      out.append(text.substr(0, point.length));
    }
    text.remove_prefix(point.length);
  }
}

// Human lines: a value that is one word stands without quotes.
bool needs_quotes(std::string_view text) noexcept {
  if (text.empty()) return true;
  for (const char c : text) {
    if (!is_plain(c) || c == ' ' || c == '=') return true;
  }
  return false;
}

void append_quoted(std::string& out, LogFormat format, std::string_view text) {
  const bool cut = text.size() > kMaxLoggedTextBytes;
  if (cut) {
    std::size_t end = kMaxLoggedTextBytes;  // not in the middle of a character
    while (end > kMaxLoggedTextBytes - 4 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
    text = text.substr(0, end);
  }
  out += '"';
  append_text(out, format, text);
  if (cut) out += kCutMark;
  out += '"';
}

// ---- values --------------------------------------------------------------------------------------------------------

template <class Number>
void append_digits(std::string& out, Number number) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_padded(std::string& out, unsigned number, unsigned width) {
  std::array<char, 10> digits;
  for (unsigned at = width; at-- > 0; number /= 10) digits[at] = static_cast<char>('0' + number % 10);
  out.append(digits.data(), width);
}

// RFC 3339, section 5.6, in UTC with milliseconds.
void append_time(std::string& out, std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(whole);
  const std::chrono::year_month_day date(day);
  const auto of_day = static_cast<unsigned>((whole - day).count());
  append_padded(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_padded(out, of_day / 3'600'000, 2);
  out += ':';
  append_padded(out, of_day / 60'000 % 60, 2);
  out += ':';
  append_padded(out, of_day / 1000 % 60, 2);
  out += '.';
  append_padded(out, of_day % 1000, 3);
  out += 'Z';
}

struct ValueWriter {
  std::string& out;
  LogFormat format;

  void operator()(std::string_view text) const {
    if (format == LogFormat::json || needs_quotes(text) || text.size() > kMaxLoggedTextBytes) {
      append_quoted(out, format, text);
    } else {
      out += text;
    }
  }
  void operator()(bool yes) const { out += yes ? "true" : "false"; }
  void operator()(double number) const {
    if (format == LogFormat::json && !std::isfinite(number)) {
      out += "null";
    } else {
      append_digits(out, number);
    }
  }
  void operator()(std::int64_t number) const { append_digits(out, number); }
  void operator()(std::uint64_t number) const { append_digits(out, number); }
};

// ---- lines ---------------------------------------------------------------------------------------------------------

void append_human_line(std::string& out, std::chrono::system_clock::time_point time, Level level,
                       std::string_view event, std::string_view message, std::span<const Field> fields) {
  append_time(out, time);
  out += ' ';
  out += kHumanLevels[static_cast<std::size_t>(level)];
  append_text(out, LogFormat::human, event);
  out += ' ';
  append_text(out, LogFormat::human, message);
  for (const Field& field : fields) {
    out += ' ';
    append_text(out, LogFormat::human, field.name);
    out += '=';
    std::visit(ValueWriter{out, LogFormat::human}, field.value.content());
  }
}

void append_json_line(std::string& out, std::chrono::system_clock::time_point time, Level level, std::string_view event,
                      std::string_view message, std::span<const Field> fields) {
  out += "{\"time\":\"";
  append_time(out, time);
  out += "\",\"level\":\"";
  out += level_name(level);
  out += "\",\"event\":";
  append_quoted(out, LogFormat::json, event);
  out += ",\"message\":";
  append_quoted(out, LogFormat::json, message);
  for (const Field& field : fields) {
    out += ',';
    append_quoted(out, LogFormat::json, field.name);
    out += ':';
    std::visit(ValueWriter{out, LogFormat::json}, field.value.content());
  }
  out += '}';
}

spdlog::level::level_enum spdlog_level(Level level) noexcept {
  return static_cast<spdlog::level::level_enum>(level);  // the same five, in the same order
}
static_assert(static_cast<int>(Level::error) == SPDLOG_LEVEL_ERROR &&
              static_cast<int>(Level::trace) == SPDLOG_LEVEL_TRACE);

using FileSink = spdlog::sinks::rotating_file_sink_st;

std::unique_ptr<FileSink> open_file(const LogOptions& options) {
  std::error_code error;
  const std::filesystem::path directory = options.file.parent_path();
  if (!directory.empty()) std::filesystem::create_directories(directory, error);
  if (error) {
    throw std::runtime_error("can't create the log directory " + directory.string() + ": " + error.message() +
                             "; create it, or name another file with --log-file");
  }
  if (options.max_bytes == 0 || options.files == 0)
    throw std::runtime_error("log files need a size and a number above 0");
  spdlog::file_event_handlers handlers;
  handlers.after_open = [](const spdlog::filename_t&, std::FILE* file) { fchmod(fileno(file), 0640); };
  try {
    auto sink =
        std::make_unique<FileSink>(options.file.string(), options.max_bytes, options.files - 1, false, handlers);
    sink->set_pattern("%v");
    return sink;
  } catch (const spdlog::spdlog_ex& failure) {
    throw std::runtime_error("can't write the log file " + options.file.string() + ": " + failure.what());
  }
}

// The rotating file, which can be opened anew. Its mutex is the base's.
class ReopenableFile final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ReopenableFile(LogOptions options) : options_(std::move(options)), file_(open_file(options_)) {}
  void reopen() {
    std::unique_ptr<FileSink> opened = open_file(options_);
    const std::lock_guard lock(mutex_);
    file_->flush();
    file_.swap(opened);
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override { file_->log(message); }
  void flush_() override { file_->flush(); }

  const LogOptions options_;
  std::unique_ptr<FileSink> file_;
};

std::vector<spdlog::sink_ptr> open_sinks(const LogOptions& options, const std::shared_ptr<ReopenableFile>& file) {
  std::vector<spdlog::sink_ptr> sinks;
  if (file) sinks.push_back(file);
  if (options.to_stderr) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  for (const auto& sink : sinks) sink->set_pattern("%v");
  return sinks;
}

}  // namespace

// ---- Logger --------------------------------------------------------------------------------------------------------

// The queue, the thread that empties it and the thread that flushes.
class Logger::Output {
 public:
  explicit Output(const LogOptions& options)
      : file_(options.file.empty() ? nullptr : std::make_shared<ReopenableFile>(options)),
        sinks_(open_sinks(options, file_)) {
    pool_ = std::make_shared<spdlog::details::thread_pool>(options.queue_lines, 1);
    logger_ = std::make_shared<spdlog::async_logger>("lictor", sinks_.begin(), sinks_.end(), pool_,
                                                     spdlog::async_overflow_policy::overrun_oldest);
    logger_->set_level(spdlog::level::trace);  // Logger::enabled() decides
    logger_->flush_on(spdlog::level::warn);
    logger_->set_error_handler([this](const std::string& text) { report_failure(text); });
    flusher_ = std::jthread([this](const std::stop_token& stop) { flush_each_second(stop); });
  }

  ~Output() {
    flusher_.request_stop();
    flusher_.join();
    pool_.reset();  // waits until the queue is written
    flush_sinks();
  }

  void write(Level level, std::string_view line) {
    logger_->log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
  }

  void reopen() {
    if (file_) file_->reopen();
  }

  std::uint64_t dropped_lines() const { return pool_->overrun_counter() + failures_.load(std::memory_order_relaxed); }

 private:
  // Straight to the sinks: a flush that went through the queue could push a line out of it.
  void flush_sinks() {
    for (const auto& sink : sinks_) {
      try {
        sink->flush();
      } catch (const spdlog::spdlog_ex& failure) {
        report_failure(failure.what());
      }
    }
  }

  void flush_each_second(const std::stop_token& stop) {
    std::unique_lock lock(flush_mutex_);
    while (!stop.stop_requested()) {
      flush_wake_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
      flush_sinks();
    }
  }

  // A full disk must not fill the terminal too: said once a minute, counted always.
  void report_failure(const std::string& text) {
    failures_.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(report_mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (reported_at_ && now - *reported_at_ < std::chrono::minutes(1)) return;
    reported_at_ = now;
    std::fprintf(stderr, "lictor: the log can't be written: %s\n", text.c_str());
  }

  std::shared_ptr<ReopenableFile> file_;  // null: none
  std::vector<spdlog::sink_ptr> sinks_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
  std::atomic<std::uint64_t> failures_{0};
  std::mutex report_mutex_;
  std::optional<std::chrono::steady_clock::time_point> reported_at_;
  std::mutex flush_mutex_;
  std::condition_variable_any flush_wake_;
  std::jthread flusher_;
};

std::string_view level_name(Level level) noexcept { return kLevelNames[static_cast<std::size_t>(level)]; }

std::string format_log_line(LogFormat format, std::chrono::system_clock::time_point time, Level level,
                            std::string_view event, std::string_view message, std::span<const Field> fields) {
  std::string line;
  line.reserve(512);
  if (format == LogFormat::json) {
    append_json_line(line, time, level, event, message, fields);
  } else {
    append_human_line(line, time, level, event, message, fields);
  }
  return line;
}

Logger::Logger(const LogOptions& options)
    : format_(options.format), level_(options.level), output_(std::make_unique<Output>(options)) {}

Logger::~Logger() = default;

void Logger::write(Level level, std::string_view event, std::string_view message, std::span<const Field> fields) {
  if (!enabled(level)) return;
  output_->write(level, format_log_line(format_, std::chrono::system_clock::now(), level, event, message, fields));
}

void Logger::trace(std::string_view event, std::string_view message, Fields fields) {
  write(Level::trace, event, message, std::span(fields.begin(), fields.size()));
}
void Logger::debug(std::string_view event, std::string_view message, Fields fields) {
  write(Level::debug, event, message, std::span(fields.begin(), fields.size()));
}
void Logger::info(std::string_view event, std::string_view message, Fields fields) {
  write(Level::info, event, message, std::span(fields.begin(), fields.size()));
}
void Logger::warning(std::string_view event, std::string_view message, Fields fields) {
  write(Level::warning, event, message, std::span(fields.begin(), fields.size()));
}
void Logger::error(std::string_view event, std::string_view message, Fields fields) {
  write(Level::error, event, message, std::span(fields.begin(), fields.size()));
}

void Logger::reopen() { output_->reopen(); }

std::uint64_t Logger::dropped_lines() const { return output_->dropped_lines(); }

}  // namespace lictor::base
