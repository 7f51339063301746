#include "base/text_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace lictor::base {
namespace {

TEST(TextWriter, AppendsLikeAString) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string written(random() % 40, 'x'), expected = written;
    {
      TextWriter out(written, random() % 100);
      for (auto pieces = random() % 60; pieces > 0; --pieces) {
        const std::string piece(random() % (pieces == 7 ? 5000 : 30),
                                static_cast<char>('a' + static_cast<char>(pieces % 26)));
        const auto number = static_cast<std::int64_t>(random()) - 2'000'000'000;
        out.text(piece).number(number);
        std::memcpy(out.skip(3), "...", 3);
        expected += piece + std::to_string(number) + "...";
      }
    }
    ASSERT_EQ(written, expected) << round;
  }
}

TEST(TextWriter, NumbersOfAnyLength) {
  std::string text;
  TextWriter(text, 0)
      .number(std::numeric_limits<std::int64_t>::min())
      .text(" ")
      .number(std::numeric_limits<std::int64_t>::max())
      .text({})
      .text(" ")
      .number(0);
  EXPECT_EQ(text, "-9223372036854775808 9223372036854775807 0");
}

TEST(TextWriter, NothingWrittenChangesNothing) {
  std::string text = "as it was";
  { const TextWriter out(text, 1000); }
  EXPECT_EQ(text, "as it was");
}

}  // namespace
}  // namespace lictor::base
