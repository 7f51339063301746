#include "base/clock_watch.h"

#include <gtest/gtest.h>

#include <vector>

namespace lictor::base {
namespace {

using std::chrono::milliseconds;

struct Scenario {
  const char* name;
  std::vector<std::pair<std::int64_t, std::int64_t>> seen;  // milliseconds of the wall clock and the steady one
  std::vector<std::int64_t> steps;                          // milliseconds; 0: none
};

TEST(ClockWatch, TellsStepsFromTimeThatPasses) {
  constexpr std::int64_t kDay = 86'400'000;
  const std::vector<Scenario> scenarios{
      {"time passes", {{1000, 1000}, {2000, 2000}, {3001, 3000}}, {0, 0, 0}},
      {"a late thread or a machine that slept", {{kDay, kDay}}, {0}},
      {"set forward", {{1000 + kDay, 1000}, {2000 + kDay, 2000}}, {kDay, 0}},
      {"set back", {{1000 - kDay, 1000}, {2000 - kDay, 2000}}, {-kDay, 0}},
      {"there and back", {{11'000, 1000}, {2000, 2000}}, {10'000, -10'000}},
      {"as much as is tolerated", {{6000, 1000}}, {0}},
      {"one more", {{6001, 1000}}, {5001}},
      {"as much back as is tolerated", {{1000, 6000}}, {0}},
      {"one more back", {{1000, 6001}}, {-5001}},
      {"slewed for an hour, half a millisecond a second", {{3'601'800, 3'600'000}}, {0}},
      {"the wall clock stands still", {{0, 5001}}, {-5001}},
  };
  for (const Scenario& scenario : scenarios) {
    ClockWatch watch({milliseconds(0), milliseconds(0)});
    for (std::size_t i = 0; i < scenario.seen.size(); ++i) {
      const auto [wall, steady] = scenario.seen[i];
      const auto step = watch.observe({milliseconds(wall), milliseconds(steady)});
      EXPECT_EQ(step.value_or(milliseconds(0)).count(), scenario.steps[i]) << scenario.name << ", observation " << i;
    }
  }
}

}  // namespace
}  // namespace lictor::base
