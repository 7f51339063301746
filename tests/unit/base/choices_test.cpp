#include "base/choices.h"

#include <gtest/gtest.h>

namespace lictor::base {
namespace {

TEST(Choices, AreFoundAsAWhole) {
  for (const char* word : {"human", "json", "text"}) EXPECT_TRUE(is_choice(word, "human|json|text")) << word;
  for (const char* word : {"", "hum", "json|text", "texts"}) EXPECT_FALSE(is_choice(word, "human|json|text")) << word;
  EXPECT_FALSE(is_choice("human", ""));
}

TEST(Choices, AreSpelledForPeople) {
  EXPECT_EQ(spelled_choices("json"), "json");
  EXPECT_EQ(spelled_choices("human|json"), "human or json");
  EXPECT_EQ(spelled_choices("trace|debug|info"), "trace, debug or info");
}

}  // namespace
}  // namespace lictor::base
