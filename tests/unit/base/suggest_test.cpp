#include "base/suggest.h"

#include <gtest/gtest.h>

#include <array>

namespace lictor::base {
namespace {

TEST(Suggest, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("listen", "listen"), 0U);
  EXPECT_EQ(edit_distance("lisetn", "listen"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Suggest, StaysSilentWhenNothingIsNear) {
  const std::array<std::string_view, 2> names{"server.listen", "log.level"};
  EXPECT_EQ(nearest_name("server.lsten", names), "server.listen");
  EXPECT_EQ(nearest_name("level", names), "log.level");
  EXPECT_EQ(nearest_name("completely.different", names), "");
  EXPECT_EQ(nearest_name(std::string(100'000, 'x'), names), "");
}

}  // namespace
}  // namespace lictor::base
