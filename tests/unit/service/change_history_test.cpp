#include "service/change_history.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace lictor::service {
namespace {

base::Id license(std::uint8_t number) {
  base::Id id;
  id.bytes[0] = number;
  return id;
}
std::string subject(std::uint8_t number) { return base::format_id(base::kLicensePrefix, license(number)); }

// Hashes of history `h`: its name and the sequence, so that no two agree.
std::string hash(char h, std::int64_t sequence) {
  std::string bytes(32, h);
  std::memcpy(bytes.data(), &sequence, 7);
  return bytes;
}
HistoryMark mark(char h, std::int64_t sequence) { return mark_of({sequence, hash(h, sequence)}); }
store::ChangeNote note(char h, std::int64_t sequence, std::uint8_t changed, const char* action = "license.suspended") {
  return {sequence, store::hash_head(hash(h, sequence)), action, subject(changed), {}, {}};
}
store::StoredEvent event(char h, std::int64_t sequence, std::uint8_t changed) {
  const std::string bytes = hash(h, sequence);
  store::StoredEvent stored{sequence, {}, base::to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), 32})};
  stored.event.action = "seat.granted";
  stored.event.subject = subject(changed);
  return stored;
}

TEST(ChangeHistory, KnowsNothingAtFirst) {
  const ChangeHistory history;
  EXPECT_EQ(history.mark().sequence, -1);
  for (const std::int64_t sequence : {-1, 0, 1}) EXPECT_FALSE(history.is_unchanged_since({sequence, 0}, license(1)));
}

TEST(ChangeHistory, TellsWhatChangedBehindAPlace) {
  ChangeHistory history;
  history.begin({100, hash('a', 100)});
  const store::ChangeNote notes[] = {note('a', 101, 1), note('a', 102, 2, "license.expired"), note('a', 103, 3)};
  history.append(notes);
  EXPECT_EQ(history.mark(), mark('a', 103));
  struct Row {
    HistoryMark mark;
    std::uint8_t license;
    bool unchanged;
  };
  const Row table[] = {
      {mark('a', 99), 9, false},                               // before all that is known
      {mark('a', 100), 9, true},                               // never changed
      {mark('a', 100), 1, false},                              // changed behind it
      {mark('a', 101), 1, true},                               // changed there
      {mark('a', 103), 1, true},                               // changed before
      {mark('a', 100), 2, true},                               // refused a seat: that changes nothing
      {mark('a', 102), 3, false}, {mark('a', 104), 9, false},  // not known yet
      {mark('b', 102), 9, false},                              // of another history
      {{102, 0}, 9, false},
  };
  for (const Row& row : table)
    EXPECT_EQ(history.is_unchanged_since(row.mark, license(row.license)), row.unchanged)
        << row.mark.sequence << " " << int{row.license};
}

TEST(ChangeHistory, HasItsOwnChangesBeforeTheFeed) {
  ChangeHistory history;
  history.begin({100, hash('a', 100)});
  const base::Id changed[] = {license(1)};
  history.note(changed, 103);
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 100), license(1)));
  const store::ChangeNote notes[] = {note('a', 101, 7), note('a', 102, 1), note('a', 103, 7)};
  history.append(notes);
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 102), license(1))) << "the transaction ended at 103";
  EXPECT_TRUE(history.is_unchanged_since(mark('a', 103), license(1)));
}

TEST(ChangeHistory, KeepsItsOwnChangesWhileItBeginsAnew) {
  ChangeHistory history;
  history.begin({100, hash('a', 100)});
  history.forget();
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 100), license(9)));
  const base::Id changed[] = {license(1)};
  history.note(changed, 51);  // committed after the place was read where it begins
  history.begin({50, hash('b', 50)});
  EXPECT_FALSE(history.is_unchanged_since(mark('b', 50), license(1)));
  EXPECT_TRUE(history.is_unchanged_since(mark('b', 50), license(9)));
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 50), license(9))) << "set back";
}

TEST(ChangeHistory, ReadsBackwards) {
  ChangeHistory history(5);
  history.begin({100, hash('a', 100)});
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 99), license(9)));
  const store::StoredEvent first[] = {event('a', 100, 1), event('a', 99, 2)};
  EXPECT_TRUE(history.prepend(first));
  EXPECT_EQ(history.first(), 99);
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 99), license(1))) << "what happened at the first place counts";
  EXPECT_TRUE(history.is_unchanged_since(mark('a', 99), license(2)));
  const store::StoredEvent second[] = {event('a', 99, 2), event('a', 98, 1), event('a', 97, 1), event('a', 96, 1)};
  EXPECT_FALSE(history.prepend(second)) << "that is all it keeps";
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 98), license(1))) << "a later change is not taken back";
  EXPECT_TRUE(history.is_unchanged_since(mark('a', 96), license(9)));
  const store::StoredEvent foreign[] = {event('b', 96, 3), event('b', 95, 3)};
  ChangeHistory other(50);
  other.begin({96, hash('a', 96)});
  EXPECT_FALSE(other.prepend(foreign));
  EXPECT_FALSE(other.is_unchanged_since(mark('b', 95), license(9)));
}

TEST(ChangeHistory, IsBoundedAndForgetsTheOldest) {
  ChangeHistory history(4);
  history.begin({0, {}});
  EXPECT_TRUE(history.is_unchanged_since({0, 0}, license(1))) << "a database without events";
  for (std::int64_t sequence = 1; sequence <= 50; ++sequence) {
    const store::ChangeNote notes[] = {note('a', sequence, static_cast<std::uint8_t>(sequence))};
    history.append(notes);
  }
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 46), license(200)));
  EXPECT_TRUE(history.is_unchanged_since(mark('a', 47), license(200)));
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 47), license(48)));
  EXPECT_TRUE(history.is_unchanged_since(mark('a', 47), license(46)));
}

TEST(ChangeHistory, TakesAPageTwice) {
  ChangeHistory history;
  history.begin({10, hash('a', 10)});
  const store::ChangeNote notes[] = {note('a', 11, 1), note('a', 12, 2)};
  for (int i = 0; i < 2; ++i) history.append(notes);
  EXPECT_EQ(history.first(), 10);
  EXPECT_EQ(history.mark(), mark('a', 12));
  const store::ChangeNote others[] = {note('b', 12, 3)};
  history.append(others);
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 11), license(9)));
  EXPECT_EQ(history.mark(), mark('b', 12));
}

TEST(ChangeHistory, IsWorthNothingBeforeAGap) {
  ChangeHistory history;
  history.begin({10, hash('a', 10)});
  const store::ChangeNote notes[] = {note('a', 12, 1)};
  history.append(notes);
  EXPECT_FALSE(history.is_unchanged_since(mark('a', 10), license(9)));
  EXPECT_TRUE(history.is_unchanged_since(mark('a', 12), license(9)));
}

TEST(ChangeHistory, CountsTheReadsOfTheFeed) {
  ChangeHistory history;
  history.read_begins();
  const std::uint64_t next = history.next_read();
  history.read_ends();
  EXPECT_FALSE(history.has_ended(next)) << "one that began before says nothing";
  history.read_begins();
  EXPECT_FALSE(history.has_ended(next));
  history.read_ends();
  EXPECT_TRUE(history.has_ended(next));
}

}  // namespace
}  // namespace lictor::service
