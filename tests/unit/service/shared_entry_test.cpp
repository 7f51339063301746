#include "service/shared_entry.h"

#include <gtest/gtest.h>

namespace lictor::service {
namespace {

base::Bytes16 bytes(std::uint8_t number) {
  base::Bytes16 value;
  value.bytes.fill(number);
  return value;
}

constexpr crypto::Prf::Key kSecret{1, 2, 3};
constexpr HistoryMark kMark{12345, 0xFEDCBA9876543210};

store::LicenseView a_view() {
  store::LicenseView view;
  view.license.id = bytes(1);
  view.license.key_digest = bytes(2);
  view.license.overrides = R"({"max_clients":7})";
  view.license.state = {.status = licensing::LicenseStatus::suspended,
                        .issued_at = 1'700'000'000,
                        .starts_at = -5,
                        .expires_at = licensing::kNever,
                        .first_activated_at = 3,
                        .last_check_in_at = 4,
                        .seats_held = 0xFFFFFFFF,
                        .next_lease_end = 1'800'000'000,
                        .vacant_seats = 1,
                        .transfers = 2,
                        .transfers_in_period = 3,
                        .transfer_period_start = 9};
  return view;
}

licensing::Activation an_activation(licensing::Fingerprint fingerprint) {
  return {.client = bytes(3),
          .held = true,
          .blocked = true,
          .over_limit = true,
          .activated_at = 5,
          .lease_expires_at = licensing::kNever,
          .released_at = 6,
          .vacated = true,
          .vacated_at_transfer = 7,
          .fingerprint = fingerprint,
          .version = "1.2.3"};
}

licensing::Fingerprint components(licensing::ComponentMask mask) {
  licensing::Fingerprint fingerprint{licensing::Fingerprint::Kind::components, mask, {}};
  for (std::size_t i = 0; i < fingerprint.tags.size(); ++i) {
    if (((mask >> i) & 1U) != 0) fingerprint.tags[i] = bytes(static_cast<std::uint8_t>(10 + i));
  }
  return fingerprint;
}

class SharedEntries : public testing::Test {
 protected:
  SharedPlace place(std::string_view client = "c1") const {
    return {codec_.name({store::LicenseRef::By::id, bytes(1)}), codec_.field(client)};
  }
  std::string sealed(const store::LicenseView& view) const {
    return codec_.seal(place(), 77, SharedEntryCodec::encode(view, bytes(4), kMark));
  }
  const SharedEntryCodec codec_{kSecret};
};

TEST_F(SharedEntries, ComeBackAsTheyWere) {
  licensing::Fingerprint opaque{licensing::Fingerprint::Kind::opaque, 0, {}};
  opaque.tags[0] = bytes(9);
  for (const auto& fingerprint :
       {licensing::Fingerprint{}, opaque, components(0x01), components(0xA5), components(0xFF)}) {
    store::LicenseView view = a_view();
    view.activation = an_activation(fingerprint);
    const auto entry = codec_.open(place(), sealed(view));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->view.license.id, view.license.id);
    EXPECT_EQ(entry->view.license.key_digest, view.license.key_digest);
    EXPECT_EQ(entry->view.license.overrides, view.license.overrides);
    EXPECT_EQ(entry->view.license.state, view.license.state);
    EXPECT_EQ(entry->view.activation, view.activation);
    EXPECT_EQ(entry->policy, bytes(4));
    EXPECT_EQ(entry->mark, kMark);
    EXPECT_EQ(entry->written_at, 77);
  }
  const auto alone = codec_.open(place(), sealed(a_view()));
  ASSERT_TRUE(alone);
  EXPECT_FALSE(alone->view.activation);
}

TEST_F(SharedEntries, OpenOnlyWhereTheyWerePut) {
  const std::string entry = sealed(a_view());
  SharedPlace other_client = place("c2"), no_client = place(), other_name = place();
  no_client.field = codec_.field(std::nullopt);
  other_name.name = codec_.name({store::LicenseRef::By::key_digest, bytes(1)});
  EXPECT_TRUE(codec_.open(place(), entry));
  for (const SharedPlace& elsewhere : {other_client, no_client, other_name})
    EXPECT_FALSE(codec_.open(elsewhere, entry));
  const SharedEntryCodec other_database({1, 2, 4});
  EXPECT_FALSE(other_database.open(place(), entry));
  EXPECT_NE(other_database.name({store::LicenseRef::By::id, bytes(1)}), place().name);
}

TEST_F(SharedEntries, ThatWereTouchedDoNotOpen) {
  store::LicenseView view = a_view();
  view.activation = an_activation(components(0xFF));
  const std::string entry = sealed(view);
  for (std::size_t at = 0; at < entry.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string touched = entry;
      touched[at] = static_cast<char>(touched[at] ^ (1 << bit));
      EXPECT_FALSE(codec_.open(place(), touched)) << at << " " << bit;
    }
    EXPECT_FALSE(codec_.open(place(), std::string_view(entry).substr(0, at)));
  }
  EXPECT_FALSE(codec_.open(place(), entry + '\0'));
}

// With a good seal: by a version with another idea of what is in it, or by whoever has the secret.
TEST_F(SharedEntries, OfAnotherShapeDoNotOpenEither) {
  store::LicenseView view = a_view();
  view.activation = an_activation(components(0xFF));
  const std::string encoded = SharedEntryCodec::encode(view, bytes(4), kMark);
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(codec_.open(place(), codec_.seal(place(), 77, std::string_view(encoded).substr(0, size)))) << size;
  EXPECT_FALSE(codec_.open(place(), codec_.seal(place(), 77, encoded + "x")));
  EXPECT_FALSE(codec_.open(place(), codec_.seal(place(), 77, std::string(40, '\xFF'))));
  view.license.state.status = static_cast<licensing::LicenseStatus>(4);
  EXPECT_FALSE(codec_.open(place(), sealed(view)));
}

TEST_F(SharedEntries, TellNothingByTheirNames) {
  const SharedPlace at = place("a client");
  EXPECT_EQ(at.name.size(), 39U);
  EXPECT_EQ(at.name.substr(0, 7), "lictor:");
  EXPECT_EQ(at.field.size(), 16U);
  EXPECT_EQ(at.name.find("010101"), std::string::npos);
}

}  // namespace
}  // namespace lictor::service
