#include "licensing/fingerprint.h"

#include "unit/licensing/scenario.h"

namespace lictor::test {
namespace {

using CC = ComponentClass;

Fingerprint all_but(std::initializer_list<CC> missing, std::initializer_list<CC> other = {}) {
  Fingerprint fingerprint{.kind = Fingerprint::Kind::components, .mask = 0xFF};
  for (std::size_t i = 0; i < kComponentClasses; ++i) fingerprint.tags[i] = id_of(static_cast<std::uint8_t>(i + 1));
  for (const CC c : missing) {
    fingerprint.mask = static_cast<ComponentMask>(fingerprint.mask & ~bit_of(c));
    fingerprint.tags[static_cast<std::size_t>(c)] = {};
  }
  for (const CC c : other) fingerprint.tags[static_cast<std::size_t>(c)] = id_of(200);
  return fingerprint;
}

TEST(Fingerprint, TheTableOfWeightsIsTheAgreedOne) {
  struct Row {
    std::string_view name;
    CC component;
    unsigned weight;
    bool machine;
  };
  const std::vector<Row> rows{{"tpm", CC::tpm, 40, true},     {"smbios", CC::smbios, 30, true},
                              {"board", CC::board, 25, true}, {"disk", CC::disk, 15, false},
                              {"os", CC::os, 10, false},      {"mac", CC::mac, 10, false},
                              {"cpu", CC::cpu, 5, false},     {"instance", CC::instance, 30, true}};
  ASSERT_EQ(rows.size(), kComponents.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(kComponents[i].name, rows[i].name);
    EXPECT_EQ(kComponents[i].component, rows[i].component);
    EXPECT_EQ(static_cast<std::size_t>(rows[i].component), i) << "persisted values";
    EXPECT_EQ(kComponents[i].weight, rows[i].weight);
    EXPECT_EQ(kComponents[i].machine, rows[i].machine);
    EXPECT_EQ(component_of(rows[i].name), rows[i].component);
  }
  EXPECT_EQ(kNormalPercent, 70U);
  EXPECT_EQ(kLoosePercent, 40U);
  for (const std::string_view name : {"", "TPM", "tpm ", "gpu"}) EXPECT_FALSE(component_of(name)) << name;
}

TEST(Fingerprint, BindingTable) {
  struct Row {
    std::string_view name;
    Fingerprint bound, presented;
    bool strict, normal, loose;  // accepted?
  };
  const Fingerprint whole = all_but({});
  const std::vector<Row> rows{
      {"nothing bound", {}, opaque(1), true, true, true},
      {"nothing bound, nothing told", {}, {}, true, true, true},
      {"opaque: the same", opaque(1), opaque(1), true, true, true},
      {"opaque: another", opaque(1), opaque(2), false, false, false},
      {"opaque: none told", opaque(1), {}, false, false, false},
      {"opaque and components", opaque(1), parts({{CC::tpm, 1}}), false, false, false},
      {"components and opaque", parts({{CC::tpm, 1}}), opaque(1), false, false, false},
      {"components: none told", whole, {}, false, false, false},
      {"all match", whole, all_but({}), true, true, true},
      {"a component more than bound is neutral", parts({{CC::tpm, 1}}), parts({{CC::tpm, 1}, {CC::mac, 9}}), true, true,
       true},
      {"the cpu is missing", whole, all_but({CC::cpu}), false, true, true},
      {"all but the tpm are missing", whole, parts({{CC::tpm, 1}}), false, true, true},
      {"all but the disk are missing", whole, parts({{CC::disk, 4}}), false, false, false},
      {"no class in common", parts({{CC::tpm, 1}}), parts({{CC::disk, 1}}), false, false, false},
      {"165 points: the tpm differs, 125 left", whole, all_but({}, {CC::tpm}), false, true, true},
      {"tpm and disk differ: 110, 66 percent", whole, all_but({}, {CC::tpm, CC::disk}), false, false, true},
      {"tpm, smbios and instance differ: 65, 39 percent", whole, all_but({}, {CC::tpm, CC::smbios, CC::instance}),
       false, false, false},
      {"tpm, smbios and board differ: 70, 42 percent", whole, all_but({}, {CC::tpm, CC::smbios, CC::board}), false,
       false, true},
      {"exactly 70 percent: 35 of 50", parts({{CC::board, 1}, {CC::disk, 2}, {CC::mac, 3}}),
       parts({{CC::board, 1}, {CC::disk, 9}, {CC::mac, 3}}), false, true, true},
      {"below 70 percent: 55 of 80", parts({{CC::board, 1}, {CC::smbios, 2}, {CC::disk, 3}, {CC::mac, 4}}),
       parts({{CC::board, 9}, {CC::smbios, 2}, {CC::disk, 3}, {CC::mac, 4}}), false, false, true},
      {"exactly 40 percent: 40 of 100", parts({{CC::tpm, 1}, {CC::smbios, 2}, {CC::instance, 3}}),
       parts({{CC::tpm, 1}, {CC::smbios, 9}, {CC::instance, 9}}), false, false, true},
      {"below 40 percent: 25 of 65", parts({{CC::board, 1}, {CC::tpm, 2}}), parts({{CC::board, 1}, {CC::tpm, 9}}),
       false, false, false},
      {"no machine component matches, all others do", whole, all_but({CC::tpm, CC::smbios, CC::board, CC::instance}),
       false, false, false},
      {"the only machine component differs",
       parts({{CC::board, 1}, {CC::disk, 2}, {CC::os, 3}, {CC::mac, 4}, {CC::cpu, 5}}),
       parts({{CC::board, 9}, {CC::disk, 2}, {CC::os, 3}, {CC::mac, 4}, {CC::cpu, 5}}), false, false, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_FALSE(compare_fingerprints(Binding::none, row.bound, row.presented));
    EXPECT_EQ(!compare_fingerprints(Binding::strict, row.bound, row.presented), row.strict);
    EXPECT_EQ(!compare_fingerprints(Binding::normal, row.bound, row.presented), row.normal);
    EXPECT_EQ(!compare_fingerprints(Binding::loose, row.bound, row.presented), row.loose);
  }
}

TEST(Fingerprint, EveryBitOfADigestCounts) {
  for (std::size_t bit = 0; bit < 128; ++bit) {
    Fingerprint other = opaque(1);
    other.tags[0].bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_TRUE(compare_fingerprints(Binding::loose, opaque(1), other)) << bit;
  }
}

// Strict is the strictest, loose the laxest: over many random pairs.
TEST(Fingerprint, ALaxerBindingNeverRefusesMore) {
  std::uint32_t state = 1;
  const auto next = [&state] { return state = state * 1664525 + 1013904223, state >> 16; };
  for (int i = 0; i < 20'000; ++i) {
    Fingerprint bound = all_but({}), presented = all_but({});
    bound.mask = static_cast<ComponentMask>(next());
    presented.mask = static_cast<ComponentMask>(next() | next());
    for (auto& tag : presented.tags) tag = next() % 4 == 0 ? id_of(200) : tag;
    if (check_bindable(Binding::normal, bound)) continue;  // could never have been bound
    const bool strict = !compare_fingerprints(Binding::strict, bound, presented);
    const bool normal = !compare_fingerprints(Binding::normal, bound, presented);
    const bool loose = !compare_fingerprints(Binding::loose, bound, presented);
    ASSERT_TRUE(!strict || normal) << int(bound.mask) << " " << int(presented.mask);
    ASSERT_TRUE(!normal || loose) << int(bound.mask) << " " << int(presented.mask);
  }
}

TEST(Fingerprint, WhatMayBindASeat) {
  struct Row {
    Fingerprint presented;
    bool strict, normal;  // may bind? loose is as normal
  };
  const std::vector<Row> rows{{{}, false, false},
                              {opaque(1), true, true},
                              {parts({}), false, false},
                              {parts({{CC::disk, 1}, {CC::os, 1}, {CC::mac, 1}, {CC::cpu, 1}}), true, false},
                              {parts({{CC::tpm, 1}}), true, true},
                              {parts({{CC::smbios, 1}}), true, true},
                              {parts({{CC::board, 1}}), true, true},
                              {parts({{CC::instance, 1}}), true, true}};
  for (const Row& row : rows) {
    SCOPED_TRACE(int(row.presented.mask));
    EXPECT_FALSE(check_bindable(Binding::none, row.presented));
    EXPECT_EQ(!check_bindable(Binding::strict, row.presented), row.strict);
    EXPECT_EQ(!check_bindable(Binding::normal, row.presented), row.normal);
    EXPECT_EQ(!check_bindable(Binding::loose, row.presented), row.normal);
  }
}

TEST(Fingerprint, Placeholders) {
  for (const std::string_view value : {"",
                                       " ",
                                       "   ",
                                       "-",
                                       "unknown",
                                       "UNKNOWN",
                                       " Unknown ",
                                       "none",
                                       "None",
                                       "null",
                                       "N/A",
                                       "Default string",
                                       "To Be Filled By O.E.M.",
                                       "to be filled by o.e.m",
                                       "System Serial Number",
                                       "Not Specified",
                                       "OEM",
                                       "0",
                                       "00",
                                       "0000",
                                       "00000000-0000-0000-0000-000000000000",
                                       "00:00:00:00:00:00",
                                       "ff:ff:ff:ff:ff:ff",
                                       "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
                                       "xxxx",
                                       "XX",
                                       "1111",
                                       "aaaaaaaa",
                                       "----",
                                       "0.0.0.0",
                                       "123456789",
                                       "0 0 0"}) {
    EXPECT_TRUE(is_placeholder(value)) << "'" << value << "'";
  }
  for (const std::string_view value :
       {"a1b2c3d4e5f6...", "unknown-machine-7", "1", "a", "11a1", "00000000-0000-0000-0000-000000000001",
        "52:54:00:12:34:56", "none1", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "\xE6\x9C\xBA\xE5\x99\xA8"}) {
    EXPECT_FALSE(is_placeholder(value)) << "'" << value << "'";
  }
}

}  // namespace
}  // namespace lictor::test
