#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <sstream>
#include <thread>
#include <vector>

namespace lictor::base {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

// 2026-11-23T05:52:49.123Z
constexpr std::chrono::system_clock::time_point kTime{std::chrono::milliseconds(1795413169123)};

std::string line(LogFormat format, std::vector<Field> fields, std::string_view message = "License activated",
                 Level level = Level::info) {
  return format_log_line(format, kTime, level, "license.activated", message, fields);
}

std::string human_value(const FieldValue& value) {
  const std::string all = line(LogFormat::human, {{"v", value}});
  return all.substr(all.find(" v=") + 3);
}

std::string json_value(const FieldValue& value) {
  std::string all = line(LogFormat::json, {{"v", value}});
  all.pop_back();
  return all.substr(all.find(",\"v\":") + 5);
}

class LogFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "lictor-log-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  LogOptions options() const {
    LogOptions options;
    options.level = Level::info;
    options.file = directory_ / "logs" / "lictord.log";
    options.max_bytes = 1 << 20;
    options.files = 3;
    return options;
  }

  static std::vector<std::string> lines_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string text; std::getline(file, text);) lines.push_back(text);
    return lines;
  }

  std::filesystem::path directory_;
};

// ---- lines ---------------------------------------------------------------------------------------------------------

TEST(LogLine, HumanAndJson) {
  const std::vector<Field> fields{{"license_id", "lic_1"}, {"seats", 3}, {"who", "Ann Lee"}};
  EXPECT_EQ(
      line(LogFormat::human, fields),
      "2026-11-23T05:52:49.123Z INFO  license.activated License activated license_id=lic_1 seats=3 who=\"Ann Lee\"");
  EXPECT_EQ(line(LogFormat::json, fields),
            "{\"time\":\"2026-11-23T05:52:49.123Z\",\"level\":\"info\",\"event\":\"license.activated\","
            "\"message\":\"License activated\",\"license_id\":\"lic_1\",\"seats\":3,\"who\":\"Ann Lee\"}");
}

TEST(LogLine, LevelsLineUp) {
  const std::vector<std::pair<Level, std::string>> levels{{Level::trace, "TRACE "},
                                                          {Level::debug, "DEBUG "},
                                                          {Level::info, "INFO  "},
                                                          {Level::warning, "WARN  "},
                                                          {Level::error, "ERROR "}};
  for (const auto& [level, text] : levels) {
    EXPECT_THAT(line(LogFormat::human, {}, "m", level), HasSubstr("Z " + text + "license.activated m"));
    EXPECT_THAT(line(LogFormat::json, {}, "m", level),
                HasSubstr("\"level\":\"" + std::string(level_name(level)) + "\""));
  }
}

TEST(LogLine, TimesAtTheEdges) {
  const auto time_of = [](std::int64_t milliseconds) {
    const std::chrono::system_clock::time_point time{std::chrono::milliseconds(milliseconds)};
    return format_log_line(LogFormat::human, time, Level::info, "e", "m", {}).substr(0, 24);
  };
  EXPECT_EQ(time_of(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(time_of(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(time_of(951'782'399'999), "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(time_of(951'782'400'000), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(time_of(4'102'444'799'007), "2099-12-31T23:59:59.007Z");
}

TEST(LogLine, ValuesOfEachType) {
  const std::string text = "x";
  for (const auto& value : {&human_value, &json_value}) {
    EXPECT_EQ(value(true), "true");
    EXPECT_EQ(value(false), "false");
    EXPECT_EQ(value(-7), "-7");
    EXPECT_EQ(value(std::uint16_t{7}), "7");
    EXPECT_EQ(value(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
    EXPECT_EQ(value(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
    EXPECT_EQ(value(0.1), "0.1");
    EXPECT_EQ(value(1e300), "1e+300");
  }
  EXPECT_EQ(human_value(text), "x");
  EXPECT_EQ(json_value(text), "\"x\"");
  EXPECT_EQ(human_value(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(json_value(std::numeric_limits<double>::infinity()), "null");  // JSON has no infinity
  EXPECT_EQ(json_value(std::numeric_limits<double>::quiet_NaN()), "null");
}

struct Escape {
  std::string_view text;
  std::string human;
  std::string json;
};

TEST(LogLine, NothingFromOutsideLeavesItsQuotes) {
  using namespace std::string_view_literals;
  const std::vector<Escape> escapes{
      {"", R"("")", R"("")"},
      {"a=b", R"("a=b")", R"("a=b")"},
      {"say \"hi\"", R"("say \"hi\"")", R"("say \"hi\"")"},
      {"a\\b", R"("a\\b")", R"("a\\b")"},
      {"a\r\nERROR x", R"("a\r\nERROR x")", R"("a\r\nERROR x")"},
      {"a\tb", R"("a\tb")", R"("a\tb")"},
      {"a\0b"sv, R"("a\u0000b")", R"("a\u0000b")"},
      {"\x1b[2J", R"("\u001b[2J")", R"("\u001b[2J")"},
      {"\x7f", R"("\u007f")", R"("\u007f")"},
      {"\xc2\x9b"
       "2J",
       R"("\u009b2J")", R"("\u009b2J")"},  // C1: CSI
      {"\xe2\x80\xae"
       "a",
       R"("\u202ea")", R"("\u202ea")"},                                // right-to-left override
      {"\xe2\x80\xa8", R"("\u2028")", R"("\u2028")"},                  // line separator
      {"\xe2\x80\x8b", R"("\u200b")", R"("\u200b")"},                  // zero-width space
      {"\xf3\xa0\x80\x81", R"("\udb40\udc01")", R"("\udb40\udc01")"},  // a tag character
      {"\xc3\xa9\xe8\xaf\x81\xf0\x9f\x94\x91", "\"é证🔑\"", "\"é证🔑\""},
      {"\xff", R"("\xff")", R"("\ufffd")"},
      {"\x80x", R"("\x80x")", R"("\ufffdx")"},
      {"\xc3", R"("\xc3")", R"("\ufffd")"},                              // cut short
      {"\xc0\xaf", R"("\xc0\xaf")", R"("\ufffd\ufffd")"},                // overlong
      {"\xe0\x80\xaf", R"("\xe0\x80\xaf")", R"("\ufffd\ufffd\ufffd")"},  // overlong
      {"\xed\xa0\x80", R"("\xed\xa0\x80")", R"("\ufffd\ufffd\ufffd")"},  // surrogate
      {"\xf4\x90\x80\x80", R"("\xf4\x90\x80\x80")", R"("\ufffd\ufffd\ufffd\ufffd")"},
      {"\xe2\"x", R"("\xe2\"x")", R"("\ufffd\"x")"},  // an invalid byte hides no quote
  };
  for (const Escape& escape : escapes) {
    EXPECT_EQ(human_value(escape.text), escape.human);
    EXPECT_EQ(json_value(escape.text), escape.json);
  }
}

TEST(LogLine, AnyBytesStayOnOneLineOfPrintableText) {
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      const std::array<char, 3> bytes{static_cast<char>(a), static_cast<char>(b), 'z'};
      const std::string_view text(bytes.data(), bytes.size());
      for (const auto format : {LogFormat::human, LogFormat::json}) {
        const std::string all =
            format_log_line(format, kTime, Level::info, text, text, std::vector<Field>{{"v", text}});
        for (const char c : all) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) << a << ' ' << b;
      }
    }
  }
}

TEST(LogLine, MessagesAndEventsAreEscapedToo) {
  EXPECT_THAT(line(LogFormat::human, {}, "a\nb"), HasSubstr("license.activated a\\nb"));
  EXPECT_THAT(line(LogFormat::json, {}, "a\nb\""), HasSubstr(R"("message":"a\nb\"")"));
}

TEST(LogLine, LongTextsAreCutBetweenCharacters) {
  EXPECT_EQ(human_value(std::string(kMaxLoggedTextBytes, 'x')), std::string(kMaxLoggedTextBytes, 'x'));
  EXPECT_EQ(human_value(std::string(100'000, 'x')), '"' + std::string(kMaxLoggedTextBytes, 'x') + "…\"");
  std::string umlauts = "x";
  while (umlauts.size() < 5000) umlauts += "ä";
  const std::string value = json_value(umlauts);
  EXPECT_THAT(value, Not(HasSubstr("\\ufffd")));
  EXPECT_EQ(value.size(), 1 + (kMaxLoggedTextBytes - 1) + 3 + 1);
}

// ---- Logger --------------------------------------------------------------------------------------------------------

TEST_F(LogFile, WritesWhatTheLevelLetsThrough) {
  {
    Logger logger(options());
    EXPECT_FALSE(logger.enabled(Level::debug));
    EXPECT_TRUE(logger.enabled(Level::warning));
    logger.debug("a", "no");
    logger.info("b", "yes", {{"n", 1}});
    logger.set_level(Level::error);
    logger.warning("c", "no");
    logger.error("d", "yes");
    logger.set_level(Level::trace);
    logger.trace("e", "yes");
  }
  const auto lines = lines_of(options().file);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[0], MatchesRegex("20..-..-..T..:..:..\\....Z INFO  b yes n=1"));
  EXPECT_THAT(lines[1], HasSubstr("ERROR d yes"));
  EXPECT_THAT(lines[2], HasSubstr("TRACE e yes"));
}

TEST_F(LogFile, IsAppendedToWhenOpenedAgain) {
  for (int start = 0; start < 2; ++start) Logger(options()).info("a", "m");
  EXPECT_EQ(lines_of(options().file).size(), 2U);
}

TEST_F(LogFile, GoesOnInANewFileWhenTheOldOneWasMovedAway) {
  const std::filesystem::path moved = directory_ / "logs" / "lictord.log.moved";
  {
    Logger logger(options());
    logger.warning("before", "m");  // flushed at once
    while (lines_of(options().file).empty()) std::this_thread::yield();
    std::filesystem::rename(options().file, moved);
    logger.reopen();
    logger.info("after", "m");
    std::filesystem::remove_all(directory_ / "logs");
    std::ofstream(directory_ / "logs") << "in the way";
    EXPECT_THROW(logger.reopen(), std::runtime_error);
    logger.info("after", "still written to the old file, and nobody falls");
    std::filesystem::remove(directory_ / "logs");
    logger.reopen();
    logger.info("again", "m");
  }
  // What was logged before may have waited until the file was there.
  const auto lines = lines_of(options().file);
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines.back(), HasSubstr("again"));
}

class ConcurrentLogFile : public LogFile {};

TEST_F(ConcurrentLogFile, LosesNothingToAReopening) {
  std::size_t lines = 0;
  {
    Logger logger(options());
    std::vector<std::thread> writers;
    for (int writer = 0; writer < 4; ++writer) {
      writers.emplace_back([&] {
        for (int i = 0; i < 500; ++i) logger.info("a", "m", {{"i", i}});
      });
    }
    for (int i = 0; i < 20; ++i) {
      std::filesystem::rename(options().file, directory_ / ("moved" + std::to_string(i)));
      logger.reopen();
    }
    for (std::thread& writer : writers) writer.join();
  }
  for (int i = 0; i < 20; ++i) lines += lines_of(directory_ / ("moved" + std::to_string(i))).size();
  EXPECT_EQ(lines + lines_of(options().file).size(), 2000U);
}

TEST_F(LogFile, RotatesAndKeepsAsManyFilesAsAsked) {
  LogOptions small = options();
  small.max_bytes = 2000;
  {
    Logger logger(small);
    for (int i = 0; i < 1000; ++i) logger.info("a", "m", {{"i", i}});
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "logs")) {
    ++files;
    EXPECT_LE(entry.file_size(), small.max_bytes);
    EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0640));  // also of those begun later
  }
  EXPECT_EQ(files, small.files);
  EXPECT_THAT(lines_of(small.file).back(), HasSubstr("i=999"));
}

TEST_F(LogFile, FlushesWarningsAtOnceAndTheRestWithinASecond) {
  Logger logger(options());
  const auto wait_for = [&](std::size_t lines, std::chrono::milliseconds at_most) {
    const auto end = std::chrono::steady_clock::now() + at_most;
    while (lines_of(options().file).size() < lines && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return lines_of(options().file).size();
  };
  logger.warning("a", "m");
  EXPECT_EQ(wait_for(1, std::chrono::milliseconds(900)), 1U);
  logger.info("b", "m");
  EXPECT_EQ(wait_for(2, std::chrono::milliseconds(5000)), 2U);
}

TEST_F(LogFile, KeepsLinesOfManyThreadsWhole) {
  LogOptions large = options();
  large.queue_lines = 8000;  // nothing may be dropped here
  {
    Logger logger(large);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&logger, t] {
        for (int i = 0; i < 1000; ++i) logger.info("a", "m", {{"t", t}, {"i", i}});
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(logger.dropped_lines(), 0U);
  }
  const auto lines = lines_of(large.file);
  EXPECT_EQ(lines.size(), 4000U);
  for (const auto& text : lines) ASSERT_THAT(text, MatchesRegex(".* INFO  a m t=[0-3] i=[0-9]+"));
}

// The disk is a pipe that nobody reads.
TEST_F(LogFile, NeverWaitsForTheDiskButDropsTheOldestAndCounts) {
  constexpr int kLines = 20'000;
  LogOptions stuck = options();
  stuck.queue_lines = 64;
  std::filesystem::create_directory(directory_ / "logs");
  ASSERT_EQ(mkfifo(stuck.file.c_str(), 0600), 0);
  const int pipe = open(stuck.file.c_str(), O_RDWR | O_NONBLOCK);
  ASSERT_GE(pipe, 0);

  auto logger = std::make_unique<Logger>(stuck);
  for (int i = 0; i < kLines; ++i) logger->info("a", "m", {{"i", i}});
  const std::uint64_t dropped = logger->dropped_lines();
  EXPECT_GT(dropped, 0U);

  std::string read_back;
  std::atomic<bool> closed{false};
  std::thread reader([&] {
    std::array<char, 4096> part;
    for (bool last_round = false;;) {
      const ssize_t size = read(pipe, part.data(), part.size());
      if (size > 0) {
        read_back.append(part.data(), static_cast<std::size_t>(size));
      } else if (last_round) {
        return;
      } else {
        last_round = closed.load();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  });
  logger.reset();
  closed = true;
  reader.join();
  close(pipe);
  const auto written = static_cast<std::uint64_t>(std::count(read_back.begin(), read_back.end(), '\n'));
  EXPECT_EQ(written + dropped, static_cast<std::uint64_t>(kLines));
  EXPECT_THAT(read_back, HasSubstr("i=" + std::to_string(kLines - 1) + "\n"));  // the newest survives
}

TEST_F(LogFile, AFullDiskIsCountedAndSaidOnce) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  LogOptions full = options();
  std::filesystem::create_directory(directory_ / "logs");
  std::filesystem::create_symlink("/dev/full", full.file);
  testing::internal::CaptureStderr();
  {
    Logger logger(full);
    logger.error("a", "m");
    logger.error("b", "m");
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (logger.dropped_lines() < 2 && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_GE(logger.dropped_lines(), 2U);
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("the log can't be written"));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
}

TEST_F(LogFile, StderrGetsTheSameLines) {
  LogOptions both = options();
  both.to_stderr = true;
  both.format = LogFormat::json;
  testing::internal::CaptureStderr();
  { Logger(both).info("a", "m", {{"n", 1}}); }
  const std::string said = testing::internal::GetCapturedStderr();
  const auto lines = lines_of(both.file);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(said, lines[0] + '\n');
}

TEST_F(LogFile, SaysWhichFileCantBeWritten) {
  std::ofstream(directory_ / "logs") << "a file where a directory should be";
  try {
    Logger logger(options());
    FAIL() << "did not throw";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr((directory_ / "logs").string()));
  }
  LogOptions directory = options();
  directory.file = directory_;
  EXPECT_THROW(Logger{directory}, std::runtime_error);
}

}  // namespace
}  // namespace lictor::base
