#include "api/json_body.h"

#include <gtest/gtest.h>

#include <random>

#include "base/encoding.h"

namespace lictor::api {
namespace {

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}
std::string many_members(std::size_t count) {
  std::string text = "{";
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "\"m" : ",\"m") + std::to_string(i) + "\":1";
  return text + "}";
}
std::string nested(std::size_t depth) {  // `depth` levels, the body's object included
  return "{\"a\":" + repeat("[", depth - 1) + repeat("]", depth - 1) + "}";
}

struct BadRow {
  std::string name, text, field;
};

TEST(JsonBody, Refused) {
  const std::vector<BadRow> rows{
      {"nothing", "", ""},
      {"white space", " \n", ""},
      {"no object: a number", "1", ""},
      {"no object: a string", "\"a\"", ""},
      {"no object: null", "null", ""},
      {"no object: an array", "[{}]", ""},
      {"no end", "{", ""},
      {"no end in a string", "{\"a", ""},
      {"no end behind a member", "{\"a\":1", ""},
      {"no value", "{\"a\":}", ""},
      {"no colon", "{\"a\" 1}", ""},
      {"no name", "{:1}", ""},
      {"a name without quotes", "{a:1}", ""},
      {"single quotes", "{'a':1}", ""},
      {"a comma at the end", "{\"a\":1,}", ""},
      {"a comma at the beginning", "{,\"a\":1}", ""},
      {"two commas", "{\"a\":1,,\"b\":1}", ""},
      {"text behind the object", "{}x", ""},
      {"a second object", "{}{}", ""},
      {"a NUL behind the object", std::string("{}\0", 3), ""},
      {"a comment", "{/* */}", ""},
      {"a comment behind", "{} // x", ""},
      {"a byte order mark", "\xEF\xBB\xBF{}", ""},
      {"twice", R"({"a":1,"a":1})", "a"},
      {"twice, not in a row", R"({"a":1,"b":2,"a":3})", "a"},
      {"twice, one escaped", R"({"a":1,"\u0061":2})", "a"},
      {"twice, escaped in part", R"({"license_key":1,"licens\u0065_key":2})", "license_key"},
      {"twice, both escaped otherwise", R"({"\u002f":1,"\/":2})", "/"},
      {"twice, of different kinds", R"({"a":[],"a":null})", "a"},
      {"twice in an inner object", R"({"o":{"tpm":"1","tpm":"2"}})", "tpm"},
      {"twice in an inner object, escaped", R"({"o":{"tpm":"1","\u0074pm":"2"}})", "tpm"},
      {"an empty name twice", R"({"":1,"":2})", "\"\""},
      {"a control character in a string", "{\"a\":\"\x01\"}", ""},
      {"a line end in a string", "{\"a\":\"\n\"}", ""},
      {"a NUL in a string", std::string("{\"a\":\"\0\"}", 9), ""},
      {"an unknown escape", R"({"a":"\x"})", ""},
      {"a short escape", R"({"a":"\u12"})", ""},
      {"a lone high surrogate", R"({"a":"\ud800"})", ""},
      {"a lone low surrogate", R"({"a":"\udc00"})", ""},
      {"a high surrogate and no low one", R"({"a":"\ud800\u0041"})", ""},
      {"invalid UTF-8: a lone continuation", "{\"a\":\"\x80\"}", ""},
      {"invalid UTF-8: cut off", "{\"a\":\"\xC3\"}", ""},
      {"invalid UTF-8: overlong", "{\"a\":\"\xC0\xAF\"}", ""},
      {"invalid UTF-8: a surrogate", "{\"a\":\"\xED\xA0\x80\"}", ""},
      {"invalid UTF-8: beyond Unicode", "{\"a\":\"\xF4\x90\x80\x80\"}", ""},
      {"invalid UTF-8 in a name", "{\"\xFF\":1}", ""},
      {"a plus sign", "{\"a\":+1}", ""},
      {"a leading zero", "{\"a\":01}", ""},
      {"a leading dot", "{\"a\":.5}", ""},
      {"a trailing dot", "{\"a\":1.}", ""},
      {"hexadecimal", "{\"a\":0x10}", ""},
      {"a lone minus", "{\"a\":-}", ""},
      {"not a number", "{\"a\":NaN}", ""},
      {"infinite", "{\"a\":Infinity}", ""},
      {"True", "{\"a\":True}", ""},
      {"17 levels of arrays", nested(17), ""},
      {"17 levels of objects", repeat("{\"a\":", 17) + "1" + repeat("}", 17), ""},
      {"a very deep array", "{\"a\":" + repeat("[", 20000), ""},
      {"257 members", many_members(257), "m256"},
      {"257 nodes", "{\"a\":[" + repeat("1,", 255) + "1]}", ""},
      {"a name of 257 bytes", "{\"" + repeat("n", 257) + "\":1}", repeat("n", 257)},
  };
  JsonBody body;
  for (const auto& row : rows) {
    const auto problem = body.parse(row.text);
    ASSERT_TRUE(problem) << row.name;
    EXPECT_EQ(problem->field, row.field) << row.name;
    EXPECT_FALSE(problem->message.empty()) << row.name;
  }
  EXPECT_FALSE(body.parse("{}")) << "a refused body leaves nothing behind";
}

struct GoodRow {
  std::string value;  // of the member a
  JsonKind kind;
  std::string text;
  std::int64_t integer = 0;
};

TEST(JsonBody, Values) {
  const std::vector<GoodRow> rows{
      {"null", JsonKind::null, ""},
      {"true", JsonKind::boolean, ""},
      {"false", JsonKind::boolean, ""},
      {"0", JsonKind::integer, "0", 0},
      {"-0", JsonKind::integer, "0", 0},
      {"-1", JsonKind::integer, "-1", -1},
      {"1700000000", JsonKind::integer, "1700000000", 1700000000},
      {"9223372036854775807", JsonKind::integer, "9223372036854775807", INT64_MAX},
      {"-9223372036854775808", JsonKind::integer, "-9223372036854775808", INT64_MIN},
      {"9223372036854775808", JsonKind::number, ""},
      {"18446744073709551615", JsonKind::number, ""},
      {"18446744073709551616", JsonKind::number, ""},
      {"-9223372036854775809", JsonKind::number, ""},
      {repeat("9", 300), JsonKind::number, ""},
      {"1e3", JsonKind::number, ""},
      {"1.0", JsonKind::number, ""},
      {"-0.0", JsonKind::number, ""},
      {"1E-400", JsonKind::number, ""},
      {R"("")", JsonKind::string, ""},
      {R"("text")", JsonKind::string, "text"},
      {R"("\u0061\"\\\/\b\f\n\r\t")", JsonKind::string, "a\"\\/\b\f\n\r\t"},
      {R"("\u00e9\u20ac\ud83d\ude00")", JsonKind::string, "é€😀"},
      {R"("é€😀")", JsonKind::string, "é€😀"},
      {R"("a\u0000b")", JsonKind::string, std::string("a\0b", 3)},
      {'"' + repeat("x", 60'000) + '"', JsonKind::string, repeat("x", 60'000)},
      {'"' + repeat("x\\n", 20'000) + '"', JsonKind::string, repeat("x\n", 20'000)},
      {'"' + repeat("\\u0041", 10'000) + '"', JsonKind::string, repeat("A", 10'000)},
      {"[]", JsonKind::array, ""},
      {"{}", JsonKind::object, ""},
  };
  JsonBody body;
  for (const auto& row : rows) {
    const std::string text = " { \"before\" : 1 ,\t\"a\":" + row.value + ",\r\n\"after\":\"z\"} ";
    const auto problem = body.parse(text);
    ASSERT_FALSE(problem) << row.value.substr(0, 60) << ": " << problem->message;
    const JsonMember* member = body.find("a");
    ASSERT_NE(member, nullptr);
    EXPECT_EQ(member->kind, row.kind) << row.value.substr(0, 60);
    EXPECT_EQ(member->text, row.text) << row.value.substr(0, 60);
    EXPECT_EQ(member->integer, row.integer) << row.value.substr(0, 60);
    EXPECT_EQ(member->boolean, row.value == "true");
    EXPECT_EQ(body.find("after")->text, "z");
    EXPECT_EQ(body.find("before")->integer, 1);
    EXPECT_EQ(body.find("A"), nullptr);
  }
}

TEST(JsonBody, ChildrenFollowTheirMember) {
  JsonBody body;
  const std::string text =
      R"({"features":["a","b\u0063",1,["deep",{"x":[1,2]}],{"k":"v"}],"fp":{"tpm":"1","m\u0061c":"2","o":{"p":1}},"end":true})";
  ASSERT_FALSE(body.parse(text));
  const auto features = body.children(*body.find("features"));
  ASSERT_EQ(features.size(), 5U);
  EXPECT_EQ(features[0].text, "a");
  EXPECT_EQ(features[1].text, "bc");
  EXPECT_EQ(features[2].kind, JsonKind::integer);
  EXPECT_EQ(features[3].kind, JsonKind::array);
  EXPECT_EQ(features[4].kind, JsonKind::object);
  for (const auto& feature : features) EXPECT_EQ(feature.name, "");
  const auto parts = body.children(*body.find("fp"));
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0].name, "tpm");
  EXPECT_EQ(parts[1].name, "mac");
  EXPECT_EQ(parts[1].text, "2");
  EXPECT_EQ(parts[2].kind, JsonKind::object);
  std::vector<std::string> names;
  body.for_each_member([&](const JsonMember& member) { names.emplace_back(member.name); });
  EXPECT_EQ(names, (std::vector<std::string>{"features", "fp", "end"}));
  EXPECT_EQ(body.find("tpm"), nullptr) << "an inner member is no member of the body";
  EXPECT_TRUE(body.find("end")->boolean);
}

TEST(JsonBody, TheBoundsThemselvesAreAllowed) {
  JsonBody body;
  EXPECT_FALSE(body.parse(many_members(256)));
  EXPECT_FALSE(body.parse(nested(16)));
  EXPECT_FALSE(body.parse("{\"" + repeat("n", 256) + "\":1}"));
  EXPECT_FALSE(body.parse("{\"a\":[" + repeat("1,", 254) + "1]}"));
}

TEST(JsonBody, AnEmptyNameIsNoElementOfAnArray) {
  JsonBody body;
  ASSERT_FALSE(body.parse(R"({"o":{"":"x"},"a":["y"]})"));
  EXPECT_NE(body.children(*body.find("o"))[0].name, "");
  EXPECT_EQ(body.find(""), nullptr);
}

TEST(JsonBody, ShortTextIsNotKeptInAMovedBuffer) {
  JsonBody body;
  for (int i = 0; i < 100; ++i) {
    const std::string text = "{\"a\":" + std::to_string(i) + ",\"\\u0062\":\"\\u0063\"}";
    ASSERT_FALSE(body.parse(text));
    EXPECT_EQ(body.find("a")->text, std::to_string(i));
    EXPECT_EQ(body.find("b")->text, "c");
  }
}

// ---- random round trips ----

struct Value {
  std::string name, text;
  std::int64_t integer = 0;
  bool is_text = false;
};

std::string random_utf8(std::mt19937& random) {
  static const std::string kPieces[] = {
      "a", "Z", "0", " ", "\"", "\\", "/", "\n", "\t", "\x01", "é", "客", "😀", std::string("\0", 1), "&="};
  std::string text;
  for (auto left = random() % 12; left > 0; --left) text += kPieces[random() % std::size(kPieces)];
  if (random() % 50 == 0) text = repeat(text + "x", 700);
  return text;
}

// Every way to write a string: plain, and each ASCII character escaped now and then.
std::string write_string(const std::string& text, std::mt19937& random) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool ascii = byte < 0x80;
    if (ascii && (byte < 0x20 || c == '"' || c == '\\' || random() % 4 == 0)) {
      constexpr std::string_view kDigits = "0123456789aBcDeF";
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

TEST(JsonBody, RandomRoundTrip) {
  std::mt19937 random(7);
  JsonBody body;
  for (int round = 0; round < 3000; ++round) {
    std::vector<Value> values;
    std::string text = "{";
    for (unsigned i = 0; i < random() % 9; ++i) {
      Value value{std::to_string(i) + (i % 2 == 0 ? "é\"" : "n"), {}, 0, random() % 2 == 0};
      if (value.is_text) value.text = random_utf8(random);
      if (!value.is_text) value.integer = static_cast<std::int64_t>((std::uint64_t{random()} << 32) | random());
      text += (i == 0 ? "" : ",") + write_string(value.name, random) + ":" +
              (value.is_text ? write_string(value.text, random) : std::to_string(value.integer));
      values.push_back(std::move(value));
    }
    text += "}";
    const auto problem = body.parse(text);
    ASSERT_FALSE(problem) << problem->message << "\n" << text;
    std::size_t at = 0;
    body.for_each_member([&](const JsonMember& member) {
      ASSERT_LT(at, values.size());
      EXPECT_EQ(member.name, values[at].name);
      EXPECT_EQ(member.kind, values[at].is_text ? JsonKind::string : JsonKind::integer);
      EXPECT_EQ(member.text, values[at].is_text ? values[at].text : std::to_string(values[at].integer));
      ++at;
    });
    EXPECT_EQ(at, values.size());
  }
}

TEST(JsonBody, DamagedTextNeverCrashes) {
  std::mt19937 random(8);
  JsonBody body;
  const std::string good =
      R"({"license_key":"A\u0042CD","client_id":"c","hardware_fingerprint":{"tpm":"x","mac":"y"},"features":["a",["b"]],"timestamp":-12})";
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (auto edits = random() % 3 + 1; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, random() % 4 + 1);
          break;
        default:
          text.insert(at, std::string(1, "{}[],:\"\\u0"[random() % 10]));
      }
      if (text.empty()) break;
    }
    refused += body.parse(text) ? 1 : 0;
    if (const JsonMember* member = body.find("features")) {
      EXPECT_LE(body.children(*member).size(), JsonBody::kMaxNodes);
    }
  }
  EXPECT_GT(refused, 5000);
}

}  // namespace
}  // namespace lictor::api
