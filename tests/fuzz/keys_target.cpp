// Keys and identifiers as people and programs give them: the first byte chooses. License keys have one normal form; a
// generated key is known by its check, which a wrong symbol or a swap breaks. Nothing but an API key itself is that
// key.
#include <algorithm>
#include <array>

#include "auth/api_keys.h"
#include "base/encoding.h"
#include "base/id.h"
#include "fuzz/targets.h"
#include "licensing/license_key.h"

namespace lictor::fuzz {
namespace {

using licensing::is_generated_license_key;
using licensing::normalize_license_key;

constexpr base::UnixSeconds kNow = 1'800'000'000;

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

void license_key(std::string_view text) {
  const auto key = normalize_license_key(text);
  if (!key) return;
  const std::string normal(key->view());
  require(normal.size() >= 4 && normal.size() <= 64, "4 to 64 characters");
  require(normal.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == std::string::npos, "of the alphabet");
  const auto same = [&](const std::string& other, std::string_view property) {
    const auto again = normalize_license_key(other);
    require(again.has_value(), property);
    require_equal(std::string(again->view()), normal, property);
  };
  same(normal, "the normal form is its own");
  same(lower(text), "case makes no difference");
  std::string spaced;
  for (const char c : normal) spaced.append(1, c).append("  ");
  same(spaced, "spaces make no difference");
  if (!is_generated_license_key(normal)) return;
  for (std::size_t i = 0; i < normal.size(); ++i) {
    if (normal[i] == '-') continue;
    std::string wrong = normal;
    wrong[i] = base::kBase32Digits[static_cast<std::size_t>(base::base32_value(normal[i]) + 1) % 32];
    require(!is_generated_license_key(wrong), "a wrong symbol is found");
    wrong = normal;
    if (i + 1 < normal.size() && normal[i + 1] != '-' && normal[i + 1] != normal[i]) {
      std::swap(wrong[i], wrong[i + 1]);
      require(!is_generated_license_key(wrong), "swapped neighbours are found");
    }
  }
}

void new_license_key(std::string_view random) {
  std::array<std::uint8_t, licensing::kLicenseKeyRandomSymbols> bytes{};
  std::copy_n(random.begin(), std::min(random.size(), bytes.size()), bytes.begin());
  const std::string key = licensing::make_license_key(bytes);
  require(is_generated_license_key(key), "what is generated is known as such");
  std::string lookalike = lower(key);
  std::ranges::replace(lookalike, '0', 'o');
  std::ranges::replace(lookalike, '1', 'l');
  const auto normal = normalize_license_key(lookalike);
  require(normal && normal->view() == key, "letters that look like digits are read as those");
  license_key(key);
}

struct KnownKey {
  KnownKey() {
    auth::NewApiKey made = auth::make_api_key();
    text = made.text.reveal();
    store::ApiKey key;
    key.id = made.id;
    key.secret_hash = made.secret_hash;
    key.scopes = "license:validate";
    keys.add(key);
  }
  std::string text;
  auth::ApiKeys keys{1, {}};
};

// The input replaces a part of the real key, or is presented as it is.
void api_key(std::string_view text) {
  static KnownKey known;
  Input in(text);
  const std::size_t at = in.byte() % known.text.size();
  std::string presented = known.text;
  presented.replace(at, std::min(in.rest().size(), presented.size() - at), in.rest());
  for (const std::string& one :
       {std::string(text), presented, known.text + std::string(text), std::string(text) + known.text})
    require((known.keys.find(0, one, kNow) != nullptr) == (one == known.text), "only the key is the key");
}

void id(std::string_view text) {
  for (const std::string_view prefix : {base::kLicensePrefix, base::kClientPrefix, base::kApiKeyPrefix}) {
    const auto parsed = base::parse_id(prefix, text);
    if (!parsed) continue;
    require_equal(base::format_id(prefix, *parsed), lower(text), "an identifier has one text");
    require(!base::parse_id("xxx", text), "of one kind");
  }
  base::Id made;
  std::copy_n(text.begin(), std::min(text.size(), made.bytes.size()), made.bytes.begin());
  require(base::parse_id("lic", base::format_id("lic", made)) == made, "any identifier is read back");
}

}  // namespace

void keys(std::string_view input) {
  Input in(input);
  constexpr std::array kKinds{license_key, new_license_key, api_key, id};
  kKinds[in.byte() % kKinds.size()](in.rest());
}

Seeds key_seeds() {
  std::array<std::uint8_t, licensing::kLicenseKeyRandomSymbols> random{};
  for (std::size_t i = 0; i < random.size(); ++i) random[i] = static_cast<std::uint8_t>(i * 7);
  const std::string key = licensing::make_license_key(random);
  Seeds seeds;
  for (const std::string& text :
       {key, lower(key), key + " ", std::string("TEST-KEY-001"), std::string("abc"), std::string("a b c d"),
        std::string(64, 'A'), std::string(65, 'A'), std::string("----"), std::string("\xef\xbc\xa1\xef\xbc\xa1"),
        std::string("KEY-1\n"), std::string("lk_live_0123456789abcdefghjkmnpqrs_0123456789abcdefghjkmnpqrstvwxyz"),
        std::string("lic_0123456789abcdefghjkmnpqrs"), std::string("LIC_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), std::string()}) {
    for (char kind = 0; kind < 4; ++kind) seeds.push_back(kind + text);
  }
  return seeds;
}

Words key_dictionary() {
  return {"lk_live_", "lic_", "cli_", "key_", "-", "I", "L", "O", "U", "00000000", "7ZZZ", "8"};
}

}  // namespace lictor::fuzz
