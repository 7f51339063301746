#include "base/encoding.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace lictor::base {
namespace {

using Bytes = std::vector<std::uint8_t>;
using namespace std::string_view_literals;

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

TEST(Base32, EveryByteHasItsValueOrNone) {
  for (int c = 0; c < 256; ++c) {
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : static_cast<char>(c);
    const std::size_t at = kBase32Digits.find(upper);
    EXPECT_EQ(base32_value(static_cast<char>(c)), at == std::string_view::npos ? -1 : static_cast<int>(at)) << c;
  }
}

TEST(Hex, Table) {
  EXPECT_EQ(to_hex({}), "");
  EXPECT_EQ(to_hex(Bytes{0x00, 0x0f, 0xa0, 0xff}), "000fa0ff");
  EXPECT_EQ(from_hex(""), Bytes{});
  EXPECT_EQ(from_hex("000FA0ff"), (Bytes{0x00, 0x0f, 0xa0, 0xff}));
  for (const auto text : {"0"sv, "000"sv, "0g"sv, "g0"sv, "0x00"sv, " 00"sv, "00\n"sv, "-1"sv, "\0\0"sv, "0\xC3"sv}) {
    EXPECT_FALSE(from_hex(text)) << text;
  }
}

TEST(Base64, Rfc4648Vectors) {
  const std::pair<std::string_view, std::string_view> vectors[] = {
      {"", ""},
      {"Zg==", "f"},
      {"Zm8=", "fo"},
      {"Zm9v", "foo"},
      {"Zm9vYg==", "foob"},
      {"Zm9vYmE=", "fooba"},
      {"Zm9vYmFy", "foobar"},
      {"Zg", "f"},
      {"Zm8", "fo"},
      {"Zm9vYg", "foob"},
      {"+/+/", "\xFB\xFF\xBF"},
  };
  for (const auto& [text, value] : vectors) EXPECT_EQ(from_base64(text), bytes_of(value)) << text;
}

TEST(Base64, BadTable) {
  for (const auto text : {"Z"sv,        "Zm9vY"sv,
                          "="sv,        "=="sv,
                          "===="sv,     "A==="sv,
                          "AA="sv,      "AAA=="sv,
                          "AAAA="sv,    "AAAA=="sv,
                          "AAAA===="sv, "AA=A"sv,
                          "AA==AAAA"sv, "Zh=="sv /* stray bits */,
                          "Zm9="sv,     "Zh"sv,
                          "Z m8="sv,    "Zm8=\n"sv,
                          "\nZm8="sv,   "_-_-"sv /* the URL alphabet */,
                          "Zm8\0"sv,    "\xC3\xA9=="sv}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

TEST(Base64, EveryTextThatIsAcceptedIsCanonical) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t accepted = 0;
  for (const char a : kAlphabet) {
    for (const char b : kAlphabet) accepted += from_base64(std::string{a, b, '=', '='}).has_value();
  }
  EXPECT_EQ(accepted, 256U) << "one text for each byte";
}

TEST(Json, StringTable) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"", R"("")"},
      {"plain", R"("plain")"},
      {"a\"b\\c/d", R"("a\"b\\c/d")"},
      {"\n\r\t", R"("\n\r\t")"},
      {"\b\f\x01\x1f"sv, R"("\u0008\u000c\u0001\u001f")"},
      {"\0"sv, R"("\u0000")"},
      {"\x7f", "\"\x7f\""},
      {"\xE8\xAE\xB8\xE5\x8F\xAF \xF0\x9F\x94\x91", "\"\xE8\xAE\xB8\xE5\x8F\xAF \xF0\x9F\x94\x91\""},
  };
  for (const auto& [text, json] : rows) EXPECT_EQ(json_string(text), json);
  std::string out = "x:";
  append_json_string(out, "y");
  append_number(out, -7);
  EXPECT_EQ(out, "x:\"y\"-7");
}

TEST(Json, Numbers) {
  for (const auto& [number, text] : {std::pair{std::int64_t{0}, "0"},
                                     {std::int64_t{-1}, "-1"},
                                     {std::numeric_limits<std::int64_t>::max(), "9223372036854775807"},
                                     {std::numeric_limits<std::int64_t>::min(), "-9223372036854775808"}}) {
    std::string out;
    append_number(out, number);
    EXPECT_EQ(out, text);
  }
}

TEST(Utf8, Table) {
  for (const auto text :
       {""sv, "ascii"sv, "\0"sv, "\x7f"sv, "\xC2\x80"sv, "\xDF\xBF"sv, "\xE0\xA0\x80"sv, "\xED\x9F\xBF"sv,
        "\xEE\x80\x80"sv, "\xEF\xBF\xBF"sv, "\xF0\x90\x80\x80"sv, "\xF4\x8F\xBF\xBF"sv}) {
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  }
  for (const auto text : {"\x80"sv,
                          "\xBF"sv,
                          "\xC0\x80"sv,
                          "\xC1\xBF"sv,
                          "\xC2"sv,
                          "\xC2\x41"sv,
                          "\xC2\xC2\x80"sv,
                          "\xE0\x80\x80"sv,
                          "\xE0\x9F\xBF"sv,
                          "\xE2\x82"sv,
                          "\xE2\x28\xA1"sv,
                          "\xED\xA0\x80"sv,
                          "\xED\xBF\xBF"sv,
                          "\xF0\x80\x80\x80"sv,
                          "\xF0\x8F\xBF\xBF"sv,
                          "\xF0\x9F\x94"sv,
                          "\xF4\x90\x80\x80"sv,
                          "\xF5\x80\x80\x80"sv,
                          "\xFE"sv,
                          "\xFF"sv,
                          "good\xFFgood"sv,
                          "good\xE2\x82"sv}) {
    EXPECT_FALSE(is_valid_utf8(text)) << to_hex(bytes_of(text));
    EXPECT_TRUE(has_control_characters(text)) << "what is no text is refused too";
  }
}

TEST(Utf8, ClippedWhereACharacterEnds) {
  EXPECT_EQ(clip_utf8("abc", 3), "abc");
  EXPECT_EQ(clip_utf8("abcd", 3), "abc");
  EXPECT_EQ(clip_utf8("ab\xC3\xA9", 3), "ab");
  EXPECT_EQ(clip_utf8("ab\xC3\xA9", 4), "ab\xC3\xA9");
  EXPECT_EQ(clip_utf8("\xF0\x9F\x94\x91", 3), "");
  EXPECT_EQ(clip_utf8("\xF0\x9F\x94\x91x", 4), "\xF0\x9F\x94\x91");
  EXPECT_EQ(clip_utf8("", 0), "");
}

// security.md, A36.
TEST(Utf8, ControlAndHiddenCharacters) {
  for (const auto text : {"\n"sv,
                          "a\tb"sv,
                          "\0"sv,
                          "\x1b[0m"sv,
                          "\x7f"sv,
                          "\xC2\x80"sv,
                          "\xC2\x9F"sv,
                          "soft\xC2\xADhyphen"sv,
                          "\xD8\x9C"sv,
                          "\xE1\xA0\x8E"sv,
                          "\xE2\x80\x8B"sv,
                          "\xE2\x80\x8D"sv,
                          "\xE2\x80\x8E"sv,
                          "\xE2\x80\x8F"sv,
                          "\xE2\x80\xA8"sv,
                          "\xE2\x80\xA9"sv,
                          "\xE2\x80\xAA"sv,
                          "\xE2\x80\xAE"sv,
                          "\xE2\x81\xA0"sv,
                          "\xE2\x81\xA6"sv,
                          "\xE2\x81\xA9"sv,
                          "\xE2\x81\xAA"sv,
                          "\xEF\xBB\xBF"sv,
                          "\xEF\xBF\xB9"sv,
                          "\xF3\xA0\x80\x81"sv,
                          "\xF3\xA0\x81\xBF"sv}) {
    EXPECT_TRUE(has_control_characters(text)) << to_hex(bytes_of(text));
  }
  for (const auto text :
       {""sv, "Acme GmbH & Co. KG"sv, "\xC2\xA0"sv, "\xC3\xA9"sv, "\xE8\xAE\xB8\xE5\x8F\xAF\xE8\xAF\x81"sv,
        "\xE2\x80\x90"sv, "\xE2\x80\xA6"sv, "\xD7\x90"sv, "\xF0\x9F\x94\x91"sv}) {
    EXPECT_FALSE(has_control_characters(text)) << to_hex(bytes_of(text));
  }
}

TEST(Urls, AnAtThatDoesNotEndTheAccountIsStray) {
  for (const std::string_view fine :
       {"postgresql://h/d", "postgresql://u:p@h:1/d?a=b", "postgresql://u:p%40@h1,h2/d", "postgresql:///d?host=/dir",
        "mysql://u@[::1]:3306/d?ssl-ca=/etc/ca.pem", "postgresql://u:p@/d?host=/dir&user=a@b"})
    EXPECT_FALSE(has_stray_at(fine)) << fine;
  for (const std::string_view stray : {"postgresql://u:a@b@h/d", "postgresql://u:12/b@h/d", "mysql://u:12?b@h/d",
                                       "mysql://u:12#b@h/d", "postgresql://u:p@h/d@e", "mysql:u@h"})
    EXPECT_TRUE(has_stray_at(stray)) << stray;
}

}  // namespace
}  // namespace lictor::base
