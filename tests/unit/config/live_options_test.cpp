#include "config/live_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lictor::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ParseOutcome parse(std::vector<std::string> flags) {
  std::vector<const char*> argv{"lictord"};
  for (const std::string& flag : flags) argv.push_back(flag.c_str());
  ParseOutcome outcome = parse_options(static_cast<int>(argv.size()), argv.data(), {});
  EXPECT_TRUE(outcome.options) << outcome.text;
  return outcome;
}

std::vector<std::string> told(const std::vector<OptionChange>& changes) {
  std::vector<std::string> lines;
  for (const OptionChange& change : changes) {
    lines.push_back(std::string(change.option->name) + ' ' + change.before + ' ' + change.after);
  }
  return lines;
}

TEST(LiveOptions, WhatMayChangeChangesAndTheRestWaits) {
  LiveOptions live(parse({"--idle-timeout", "10s", "--batch-max", "8"}));
  const ParseOutcome read = parse({"--idle-timeout", "20s", "--batch-max", "9", "--log-level", "debug"});
  const ReloadPlan plan = live.plan(read);
  EXPECT_THAT(told(plan.changed), ElementsAre("idle_timeout 10s 20s", "log_level info debug"));
  EXPECT_THAT(told(plan.needs_restart), ElementsAre("batch_max 8 9"));
  EXPECT_EQ(live.options().server.idle_timeout, std::chrono::seconds(10)) << "a plan changes nothing";
  live.apply(read);
  EXPECT_EQ(live.options().server.idle_timeout, std::chrono::seconds(20));
  EXPECT_EQ(live.options().log.level, base::Level::debug);
  EXPECT_EQ(live.options().database.batch_max, 8U);
  EXPECT_THAT(live.plan(read).changed, IsEmpty());
  EXPECT_THAT(told(live.plan(read).needs_restart), ElementsAre("batch_max 8 9")) << "told until it is done";
}

TEST(LiveOptions, ValuesAreComparedNotTheirSpelling) {
  LiveOptions live(parse({"--idle-timeout", "60s", "--log-max-bytes", "1MiB"}));
  const ReloadPlan plan = live.plan(parse({"--idle-timeout", "1m", "--log-max-bytes", "1048576"}));
  EXPECT_THAT(plan.changed, IsEmpty());
  EXPECT_THAT(plan.needs_restart, IsEmpty());
}

TEST(LiveOptions, EachTakerIsToldOnceAndOnlyOfItsOwn) {
  LiveOptions live(parse({}));
  int timeouts = 0, levels = 0;
  live.on_change({"header_timeout", "body_timeout"}, [&](const Options& now) {
    ++timeouts;
    EXPECT_EQ(now.server.header_timeout, std::chrono::seconds(1));
    EXPECT_EQ(now.server.body_timeout, std::chrono::seconds(2)) << "told when all values hold";
  });
  live.on_change({"log_level"}, [&](const Options&) { ++levels; });
  live.apply(parse({"--header-timeout", "1s", "--body-timeout", "2s"}));
  EXPECT_EQ(timeouts, 1);
  EXPECT_EQ(levels, 0);
}

TEST(LiveOptions, TheTableIsHeldTo) {
  LiveOptions live(parse({}));
  EXPECT_THROW(live.on_change({"batch_max"}, {}), std::logic_error);
  EXPECT_THROW(live.on_change({"no_such_option"}, {}), std::logic_error);
  EXPECT_THROW(live.require_takers(), std::logic_error);
  for (const Option& option : option_table()) {
    if (option.changeable) live.on_change({option.name}, [](const Options&) {});
  }
  EXPECT_NO_THROW(live.require_takers());
}

}  // namespace
}  // namespace lictor::config
