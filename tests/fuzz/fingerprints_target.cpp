// Fingerprints: the first byte chooses. What the store holds is read only in the form in which it is written; comparing
// obeys its rules (a machine is itself, a narrower binding accepts no more than a wider one); placeholders are known
// whatever their case and the spaces around them.
#include <algorithm>

#include "api/json_body.h"
#include "api/requests.h"
#include "base/encoding.h"
#include "fuzz/targets.h"
#include "licensing/fingerprint.h"
#include "store/fingerprint_codec.h"

namespace lictor::fuzz {
namespace {

using licensing::Binding;
using licensing::Fingerprint;

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void stored(std::string_view text) {
  const auto decoded = store::decode_fingerprint(as_bytes(text));
  if (!decoded) return;
  store::FingerprintBuffer buffer;
  const auto encoded = store::encode_fingerprint(*decoded, buffer);
  require(std::ranges::equal(encoded, as_bytes(text)), "there is one stored form");
  const bool has_mask = decoded->mask != 0;
  require(!has_mask || decoded->kind == Fingerprint::Kind::components, "only components have a mask");
}

Fingerprint make(Input& in) {
  Fingerprint fingerprint;
  fingerprint.kind = static_cast<Fingerprint::Kind>(in.byte() % 3);
  if (fingerprint.kind == Fingerprint::Kind::opaque) fingerprint.tags[0].bytes[15] = in.byte();
  if (fingerprint.kind != Fingerprint::Kind::components) return fingerprint;
  fingerprint.mask = in.byte();
  for (std::size_t i = 0; i < fingerprint.tags.size(); ++i) {
    if ((fingerprint.mask >> i & 1) != 0) fingerprint.tags[i].bytes[i] = in.byte() % 4;
  }
  return fingerprint;
}

bool accepts(Binding binding, const Fingerprint& bound, const Fingerprint& presented) {
  return !licensing::compare_fingerprints(binding, bound, presented).has_value();
}

void compared(std::string_view text) {
  Input in(text);
  const Fingerprint a = make(in);
  const Fingerprint b = make(in);
  require(accepts(Binding::none, a, b), "no binding accepts everything");
  const bool strict = accepts(Binding::strict, a, b), normal = accepts(Binding::normal, a, b);
  require(!normal || accepts(Binding::loose, a, b), "loose accepts what normal accepts");
  const bool bindable = !licensing::check_bindable(Binding::normal, a);
  require(!strict || !bindable || normal || a.kind == Fingerprint::Kind::absent, "normal accepts what strict accepts");
  for (const Binding binding : {Binding::strict, Binding::normal, Binding::loose}) {
    if (!licensing::check_bindable(binding, a))
      require(accepts(binding, a, a), "a machine that may be bound is itself");
    const auto difference = licensing::compare_fingerprints(binding, a, b);
    if (!difference) continue;
    const unsigned sum = difference->matched | difference->differed | difference->missing;
    require(difference->opaque_differs || sum == a.mask, "each bound component is told of");
    require((difference->matched & difference->differed) == 0 && (difference->matched & difference->missing) == 0 &&
                (difference->differed & difference->missing) == 0,
            "once");
  }
}

void placeholder(std::string_view text) {
  const bool is = licensing::is_placeholder(text);
  require(is == licensing::is_placeholder("  " + std::string(text) + " "), "spaces around make no difference");
  std::string other(text);
  for (char& c : other)
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  require(is == licensing::is_placeholder(other), "case makes no difference");
}

void presented(std::string_view text) {
  static const api::FingerprintReader reader(crypto::Prf::Key{1});
  static const api::FingerprintReader other(crypto::Prf::Key{2});
  api::JsonBody body;
  if (body.parse(text)) return;
  const api::JsonMember* member = body.find(api::JsonName::hardware_fingerprint);
  if (member == nullptr) return;
  const auto result = reader.read(body, *member);
  if (const auto* fault = std::get_if<api::RequestFault>(&result))
    return require(fault->field.starts_with("hardware_fingerprint") && !fault->message.empty(), "a fault is explained");
  const auto& read = std::get<Fingerprint>(result);
  require(read.kind != Fingerprint::Kind::absent, "something was presented");
  const auto elsewhere = other.read(body, *member);
  const auto& with_other_key = std::get<Fingerprint>(elsewhere);
  require(read.mask == with_other_key.mask && read.tags != with_other_key.tags, "digests depend on the server's key");
  store::FingerprintBuffer buffer;
  require(store::decode_fingerprint(store::encode_fingerprint(read, buffer)) == read, "kept by the store as it is");
}

}  // namespace

void fingerprints(std::string_view input) {
  Input in(input);
  constexpr std::array kKinds{stored, compared, placeholder, presented};
  kKinds[in.byte() % kKinds.size()](in.rest());
}

Seeds fingerprint_seeds() {
  Seeds seeds{std::string("\0\0\0", 3), std::string("\0\1\0", 3) + std::string(16, 'x'),
              std::string("\0\2\5", 3) + std::string(32, 'y'), std::string("\0\2\0", 3), std::string("\0\3\0", 3)};
  for (const std::string_view text :
       {"\2\377\1\2\3\4\5\6\7\10\2\377\1\2\3\4\5\6\7\11", "\1\5\1\5", "\1\5\2\1\1", "\2\1\1\2\2\1"})
    seeds.push_back('\1' + std::string(text));
  for (const std::string_view text :
       {"unknown", " N/A ", "00:00:00:00:00:00", "To be filled by O.E.M.", "ffff-ffff", "1111", "a1"})
    seeds.push_back('\2' + std::string(text));
  for (const std::string_view text :
       {R"({"hardware_fingerprint":"abc"})", R"({"hardware_fingerprint":{"tpm":"x","smbios":"y","mac":"unknown"}})",
        R"({"hardware_fingerprint":{"shoe":"43"}})",
        R"({"hardware_fingerprint":{"instance":"i-1","cpu":"c","os":"o"}})",
        R"({"hardware_fingerprint":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"})"})
    seeds.push_back('\3' + std::string(text));
  return seeds;
}

}  // namespace lictor::fuzz
