#include "base/retention_clock.h"

#include <gtest/gtest.h>

#include <vector>

namespace lictor::base {
namespace {

using std::chrono::seconds;

struct Look {
  std::int64_t wall, steady, believed;  // seconds
};
struct Scenario {
  const char* name;
  std::vector<Look> looks;
};

TEST(RetentionClock, BelievesAStepForwardOnlyOnceItHasLasted) {
  constexpr std::int64_t kHour = 3600, kDay = 24 * kHour, kYear = 365 * kDay;
  const std::vector<Scenario> scenarios{
      {"time passes", {{60, 60, 60}, {120, 120, 120}}},
      {"the first look comes after days", {{3 * kDay, 3 * kDay, 3 * kDay}}},
      {"set back", {{-kYear, 60, -kYear}, {60 - kYear, 120, 60 - kYear}}},
      {"a step of as much as is tolerated", {{kHour, 0, kHour}}},
      {"a longer one, for a minute", {{kYear, 60, 60}, {120, 120, 120}, {180, 180, 180}}},
      {"one that lasts",
       {{kYear, 60, 60},
        {kYear + kDay - 61, kDay - 1, kDay - 1},
        {kYear + kDay, kDay + 60, kYear + kDay},
        {kYear + kDay + 60, kDay + 120, kYear + kDay + 60}}},
      {"doubt begins anew", {{kYear, 60, 60}, {kDay, kDay, kDay}, {2 * kYear, kDay + 60, kDay + 60}}},
      {"two steps, one doubt", {{kYear, 60, 60}, {2 * kYear, 120, 120}, {3 * kYear, kDay + 60, 3 * kYear}}},
  };
  for (const Scenario& scenario : scenarios) {
    RetentionClock clock(0, seconds(0));
    for (std::size_t i = 0; i < scenario.looks.size(); ++i) {
      const Look& look = scenario.looks[i];
      EXPECT_EQ(clock.observe(look.wall, seconds(look.steady)), look.believed) << scenario.name << ", look " << i;
    }
  }
}

}  // namespace
}  // namespace lictor::base
