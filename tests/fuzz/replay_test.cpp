// What fuzzing has kept, and what it starts from, run as ordinary tests: tests/fuzz/corpus/TARGET holds the inputs that
// together reach most of what a long run has reached; an input that once broke something is among them for good.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "fuzz/target.h"

namespace lictor::fuzz {
namespace {

namespace fs = std::filesystem;

class Replay : public testing::TestWithParam<Target> {};

void expect_holds(const Target& target, std::string_view input, const std::string& name) {
  try {
    target.run(input);
  } catch (const std::exception& failure) {
    ADD_FAILURE() << name << ": " << failure.what() << "\ninput: " << testing::PrintToString(std::string(input));
  }
}

TEST_P(Replay, SeedsHold) {
  const std::vector<std::string> seeds = GetParam().seeds();
  ASSERT_GE(seeds.size(), 10U);
  for (std::size_t i = 0; i < seeds.size(); ++i) expect_holds(GetParam(), seeds[i], "seed " + std::to_string(i));
}

TEST_P(Replay, KeptInputsHold) {
  const fs::path directory = fs::path(LICTOR_FUZZ_CORPUS) / GetParam().name;
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::ostringstream text;
    text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    EXPECT_LE(text.str().size(), 4096U) << entry.path() << " is too large to be kept";
    expect_holds(GetParam(), text.str(), entry.path().filename().string());
    ++files;
  }
  EXPECT_GE(files, 20U) << "of " << directory << "; ./dev fuzz " << GetParam().name << " fills it";
  EXPECT_LE(files, 100U) << "of " << directory;
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& target) { return std::string(target.param.name); });

TEST(Targets, EachCorpusBelongsToOne) {
  std::set<std::string> names;
  for (const Target& target : targets()) EXPECT_TRUE(names.emplace(target.name).second) << target.name;
  for (const auto& entry : fs::directory_iterator(LICTOR_FUZZ_CORPUS))
    EXPECT_TRUE(names.contains(entry.path().filename().string())) << entry.path();
}

// The net itself: a target that could not fail would find nothing.
TEST(Targets, AViolationIsReported) {
  EXPECT_THROW(require(false, "x"), Violation);
  EXPECT_THROW(require_equal(std::string("a"), std::string("b"), "x"), Violation);
  EXPECT_THROW(target_of("nothing"), std::out_of_range);
}

}  // namespace
}  // namespace lictor::fuzz
