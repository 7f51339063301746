// Reading and writing of files of licenses: CSV and streams of JSON, whatever pieces they arrive in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "lictor/csv.h"
#include "lictor/error.h"
#include "lictor/json_stream.h"
#include "lictor/page_watch.h"

namespace lictor::cli {
namespace {

using Fields = std::vector<std::string>;

// Gives `text` in pieces of `size` bytes.
CsvReader::Source pieces(std::string text, std::size_t size) {
  return [text = std::move(text), size, at = std::size_t{0}](char* buffer, std::size_t room) mutable {
    const std::size_t count = std::min({size, room, text.size() - at});
    text.copy(buffer, count, at);
    at += count;
    return count;
  };
}

std::vector<Fields> read_csv(const std::string& text, std::size_t size) {
  CsvReader reader(pieces(text, size));
  std::vector<Fields> records;
  while (auto record = reader.next()) records.push_back(std::move(record->fields));
  return records;
}

std::string csv_problem(const std::string& text) {
  try {
    read_csv(text, 1000);
  } catch (const CommandError& error) {
    return error.what();
  }
  return "";
}

TEST(Csv, ReadsRecordsInPiecesOfAnySize) {
  struct Case {
    std::string text;
    std::vector<Fields> records;
  };
  const Case cases[] = {
      {"", {}},
      {"a,b\nc,d\n", {{"a", "b"}, {"c", "d"}}},
      {"a,b\r\n\r\nc,d", {{"a", "b"}, {"c", "d"}}},
      {"\xEF\xBB\xBF"
       "a,,\n",
       {{"a", "", ""}}},
      {"\"a,\"\"b\"\"\n c\",d\n", {{"a,\"b\"\n c", "d"}}},
      {"a;b\nc,d;e\n", {{"a", "b"}, {"c,d", "e"}}},
      {"\"a\"\tb\nc,d\t\"e;\tf\"\n", {{"a", "b"}, {"c,d", "e;\tf"}}},
      {"a\nb;c\n", {{"a"}, {"b;c"}}},
      {"'=1+1,''x,'plain\n", {{"=1+1", "'x", "'plain"}}},
  };
  for (const Case& one : cases) {
    for (const std::size_t size : {std::size_t{1000}, std::size_t{7}, std::size_t{3}})
      EXPECT_EQ(read_csv(one.text, size), one.records) << one.text << " by " << size;
  }
}

TEST(Csv, SaysTheLineOfWhatIsWrong) {
  EXPECT_EQ(csv_problem("a\nb\n\"c\nd"), "line 3: a quote is not closed");
  EXPECT_EQ(csv_problem("a\nb\"c\n"), "line 2: a quote inside a field that is not quoted");
  EXPECT_EQ(csv_problem("\"a\"b\n"), "line 1: text after a closing quote; double the quotes inside");
  EXPECT_EQ(csv_problem(std::string(70'000, 'x')), "line 1: a field of more than 64 KiB");
}

TEST(Csv, WhatIsWrittenIsReadAgain) {
  const Fields fields = {"",   "plain", "a,b", "\"quoted\"",  "two\nlines", "=SUM(A1)",
                         "+1", "-1",    "@x",  "'apostrophe", "''",         "Öl 公司"};
  std::string text;
  append_csv_line(text, fields);
  EXPECT_THAT(text, testing::HasSubstr(",'=SUM(A1),'+1,'-1,'@x,"));  // no spreadsheet runs them
  EXPECT_EQ(read_csv(text, 1000), std::vector<Fields>{fields});
}

TEST(PageWatch, GivesUpAListThatTurnsInACircleOrIsEmptyForGood) {
  const auto page = [](const char* next, bool empty) {
    boost::json::array items;
    if (!empty) items.emplace_back(1);
    return boost::json::object{{"items", items}, {"next_cursor", next}};
  };
  PageWatch whole;
  EXPECT_EQ(whole.next(page("a", false)), "a");
  EXPECT_EQ(whole.next(page("b", true)), "b");
  EXPECT_EQ(whole.next({{"next_cursor", nullptr}}), "");
  PageWatch circle;
  for (const char* const next : {"a", "b", "c"}) circle.next(page(next, false));
  EXPECT_THROW(circle.next(page("a", false)), CommandError);
  PageWatch empty;
  for (std::size_t i = 0; i < PageWatch::kMostEmpty; ++i) empty.next(page(std::to_string(i).c_str(), true));
  EXPECT_EQ(empty.next(page("something", false)), "something") << "something came, so it counts anew";
  for (std::size_t i = 0; i < PageWatch::kMostEmpty; ++i) empty.next(page(("x" + std::to_string(i)).c_str(), true));
  EXPECT_THROW(empty.next(page("y", true)), CommandError);
}

std::string read_json(const std::string& text, std::size_t size) {
  std::string out;
  JsonStream stream(
      pieces(text, size), [](std::string_view member) { return member == "rows"; }, "rows");
  while (auto element = stream.next())
    out += element->member + "@" + std::to_string(element->line) + "=" + boost::json::serialize(element->value) + ";";
  return out;
}

std::string json_problem(const std::string& text) {
  try {
    read_json(text, 1000);
  } catch (const CommandError& error) {
    return error.what();
  }
  return "";
}

TEST(JsonStream, GivesElementsOfArraysAndOtherMembers) {
  for (const std::size_t size : {std::size_t{1000}, std::size_t{4}}) {
    EXPECT_EQ(read_json("{}", size), "");
    EXPECT_EQ(read_json("[]", size), "");
    EXPECT_EQ(read_json("[1,\n\"]\"]", size), "rows@1=1;rows@2=\"]\";");
    EXPECT_EQ(read_json(R"({"f":"x","other":[{"a":[1]},2],"rows":[{"b":"\"}"},null],"z":{"rows":[3]}})", size),
              R"(f@1="x";rows@1={"b":"\"}"};rows@1=null;z@1={"rows":[3]};)");
  }
}

TEST(JsonStream, SaysTheLineOfWhatIsWrong) {
  EXPECT_EQ(json_problem(""), "line 1: the file ends where { is expected");
  EXPECT_EQ(json_problem("product,policy"), "line 1: no JSON: { is expected");
  EXPECT_EQ(json_problem("[1] 2"), "line 1: more text after the end of the array");
  EXPECT_EQ(json_problem("{} 2"), "line 1: more text after the end of the object");
  EXPECT_EQ(json_problem("{\n\"rows\":[\n{"), "line 3: the file ends inside a value");
  EXPECT_THAT(json_problem("{\"rows\":[\n{a}]}"), testing::StartsWith("line 2: no JSON: "));
  EXPECT_EQ(json_problem("[" + std::string(40, '[')), "line 1: more than 32 levels");
}

}  // namespace
}  // namespace lictor::cli
