#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "store/audit_chain.h"
#include "store/conformance.h"
#include "store/fingerprint_codec.h"

namespace lictor::test {
namespace {

using Kind = licensing::Fingerprint::Kind;

licensing::Fingerprint fingerprint(Kind kind, unsigned mask) {
  licensing::Fingerprint made;
  made.kind = kind;
  made.mask = static_cast<licensing::ComponentMask>(mask);
  const unsigned tags = kind == Kind::opaque ? 1 : mask;
  for (unsigned i = 0; i < licensing::kComponentClasses; ++i) {
    if ((tags >> i & 1U) != 0) made.tags[i] = id_of('t', i + 1);
  }
  return made;
}

std::vector<std::uint8_t> encoded(const licensing::Fingerprint& value) {
  store::FingerprintBuffer buffer;
  const auto bytes = store::encode_fingerprint(value, buffer);
  return {bytes.begin(), bytes.end()};
}

std::vector<licensing::Fingerprint> all_fingerprints() {
  std::vector<licensing::Fingerprint> all{{}, fingerprint(Kind::opaque, 0)};
  for (unsigned mask = 0; mask < 256; ++mask) all.push_back(fingerprint(Kind::components, mask));
  return all;
}

TEST(FingerprintCodec, round_trip) {
  for (const auto& value : all_fingerprints()) EXPECT_EQ(store::decode_fingerprint(encoded(value)), value);
}

TEST(FingerprintCodec, is_as_documented) {
  EXPECT_EQ(base::to_hex(encoded({})), "0000");
  EXPECT_EQ(base::to_hex(encoded(fingerprint(Kind::opaque, 0))), "010074000000000000000100000000000000");
  EXPECT_EQ(base::to_hex(encoded(fingerprint(Kind::components, 0b10))), "020274000000000000000200000000000000");
}

TEST(FingerprintCodec, refuses_truncated_extended_and_unknown) {
  for (const auto& value : all_fingerprints()) {
    auto bytes = encoded(value);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(store::decode_fingerprint(std::span(bytes).first(size))) << size;
    }
    bytes.push_back(0);
    EXPECT_FALSE(store::decode_fingerprint(bytes));
  }
  EXPECT_FALSE(store::decode_fingerprint(std::vector<std::uint8_t>{3, 0}));
  EXPECT_FALSE(store::decode_fingerprint(std::vector<std::uint8_t>{0, 1}));
  auto opaque_with_mask = encoded(fingerprint(Kind::opaque, 0));
  opaque_with_mask[1] = 1;
  EXPECT_FALSE(store::decode_fingerprint(opaque_with_mask));
}

std::vector<store::StoredEvent> chain_of(std::int64_t count) {
  std::vector<store::StoredEvent> events;
  store::ChainLink link;
  for (std::int64_t sequence = 1; sequence <= count; ++sequence) {
    const store::Event made = event("action-" + std::to_string(sequence));
    link = {sequence, store::next_hash(link.hash, sequence, made)};
    events.push_back({sequence, made, base::to_hex(link.hash)});
  }
  return events;
}

// Fixed for ever: the hashes in customers' databases depend on it. Made with sha256sum from the documented text.
TEST(AuditChain, text_is_as_documented) {
  const store::Event made{.at = -1,
                          .actor = "a",
                          .action = "bc",
                          .subject = "",
                          .client = "1:x\n",
                          .code = "",
                          .request_id = "r",
                          .detail = "{}"};
  EXPECT_EQ(base::to_hex(store::next_hash({}, 7, made)),
            "0d9a53b5dd1831ebe6f865f2be407a16f38e895a890cba032d7d8bc578534f7f");
}

TEST(AuditChain, every_member_counts_and_none_runs_into_the_next) {
  const store::Event plain = event("x");
  std::vector<store::Event> others(10, plain);
  others[1].at += 1;
  others[2].actor += "y";
  others[3].action += "y";
  others[4].subject += "y";
  others[5].client += "y";
  others[6].code += "y";
  others[7].request_id += "y";
  others[8].detail += "y";
  others[9].actor = plain.actor + "\n1:" + plain.action;  // what a text without lengths could confuse
  others[9].action = "";
  std::vector<std::string> hashes;
  for (const auto& other : others) hashes.push_back(base::to_hex(store::next_hash({}, 1, other)));
  hashes.push_back(base::to_hex(store::next_hash({}, 2, plain)));
  hashes.push_back(base::to_hex(store::next_hash({1}, 1, plain)));
  std::sort(hashes.begin(), hashes.end());
  EXPECT_EQ(std::unique(hashes.begin(), hashes.end()), hashes.end());
}

TEST(AuditChain, a_whole_chain_in_pages) {
  const auto events = chain_of(10);
  store::ChainLink link;
  EXPECT_EQ(store::verify_chain(link, std::span(events).first(4)), std::nullopt);
  EXPECT_EQ(link.sequence, 4);
  EXPECT_EQ(store::verify_chain(link, std::span(events).subspan(4)), std::nullopt);
  EXPECT_EQ(store::verify_head(link, {10, {}, events.back().hash}), std::nullopt);
  EXPECT_EQ(store::verify_chain(link, {}), std::nullopt);
}

TEST(AuditChain, faults_are_named) {
  using Fault = store::ChainFault;
  const auto check = [](std::vector<store::StoredEvent> events) {
    store::ChainLink link;
    return store::verify_chain(link, events);
  };
  auto events = chain_of(6);
  events[2].event.client = "someone else";
  EXPECT_EQ(check(events), (Fault{Fault::Kind::edited, 3}));
  events = chain_of(6);
  events.erase(events.begin() + 2);
  EXPECT_EQ(check(events), (Fault{Fault::Kind::gap, 4}));
  events = chain_of(6);
  events.erase(events.begin());
  EXPECT_EQ(check(events), (Fault{Fault::Kind::gap, 2}));
  events = chain_of(6);
  std::swap(events[1].event, events[3].event);
  EXPECT_EQ(check(events), (Fault{Fault::Kind::edited, 2}));
  events = chain_of(6);
  events[4].hash[0] = events[4].hash[0] == '0' ? '1' : '0';
  EXPECT_EQ(check(events), (Fault{Fault::Kind::edited, 5}));

  events = chain_of(6);
  store::ChainLink link;
  ASSERT_EQ(store::verify_chain(link, std::span(events).first(4)), std::nullopt);
  EXPECT_EQ(store::verify_head(link, {6, {}, events[5].hash}), (Fault{Fault::Kind::tail_missing, 5}));
  EXPECT_EQ(store::verify_head(link, {4, {}, events[5].hash}), (Fault{Fault::Kind::head_differs, 4}));
  EXPECT_EQ(store::verify_head(link, {3, {}, events[2].hash}), (Fault{Fault::Kind::head_differs, 4}));
}

}  // namespace
}  // namespace lictor::test
