#include "store/copy_database.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/encoding.h"
#include "store/audit_chain.h"
#include "store/meta.h"
#include "store/migrations.h"
#include "store/move_end.h"
#include "store/placement.h"
#include "store/queries.h"
#include "store/records.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;
using State = Arrival::State;
using Step = MoveProgress::Step;

constexpr std::int64_t kEventsOfPage = 4000;

struct Head {
  std::int64_t sequence = 0;
  std::string hash;  // hexadecimal
  bool operator==(const Head&) const = default;
};

Head read_head(Connection& connection) {
  Statement statement(connection, sql::kAuditHead);
  auto rows = statement.rows();
  if (!rows.next()) connection.fail_corrupt("the audit head is missing");
  return {rows.number(0), base::to_hex(rows.blob(1))};
}

void require_present_schema(MoveEnd& end) {
  const std::int64_t found = schema_version(end.connection()), needed = end.newest_schema();
  if (found == needed) return;
  const std::string start = "database " + end.name() + " has schema version " + std::to_string(found) + ", ";
  if (found < needed) {
    throw StoreError(Kind::other, start + "this program's is " + std::to_string(needed) +
                                      ": start this lictord on it once, which brings it up to date");
  }
  throw StoreError(Kind::newer_schema,
                   start + "this program knows versions up to " + std::to_string(needed) + ": use a newer program");
}

std::unique_ptr<MoveEnd> open_source(const MoveOptions& options, EndUse use) {
  auto source = open_end(options.from, use);
  if (!source->has_schema()) {
    throw StoreError(Kind::other, "database " + source->name() + " is empty: no lictord was ever started on it");
  }
  require_present_schema(*source);
  return source;
}

// What the steps of a move share.
class Move {
 public:
  Move(const MoveOptions& options, MoveEnd& source, MoveEnd& target)
      : options_(options), source_(source), target_(target) {
    facts_.from = source.name();
    facts_.to = target.name();
  }

  // The target, from whatever state it is in that may become this move's: marked "copying" and empty, but for events
  // of the source that are there already.
  void begin_target() {
    if (!target_.has_schema()) target_.make_schema();
    require_free();
    Connection& to = target_.connection();
    Transaction transaction(to);
    copy_meta();
    write_arrival(to, {State::copying, options_.id, source_.name(), options_.now});
    transaction.commit();
    target_.clear(!keeps_events());
  }

  void copy_events() {
    const CopiedTable& events = events_table();
    TableReader reader(source_.connection(), events);
    const std::int64_t before = newest_event(target_.connection()).sequence;
    if (before != 0) reader.begin_after(before);
    table_ = events.name;
    done_ += before;
    const auto sink = target_.sink(events);
    facts_.copied_events = copy_rows(reader, *sink, on_rows(Step::copying)).rows;
    const Head newest = newest_event(target_.connection());
    facts_.events = newest.sequence;
    facts_.head_hash = newest.hash;
    done_ += facts_.copied_events;
  }

  void count(bool events_only) {
    all_ = 0;
    for (const CopiedTable& table : copied_tables()) {
      if (events_only && &table != &events_table()) continue;
      all_ += count_rows(source_.connection(), table.name);
    }
  }

  void copy_all() {
    count(false);
    {
      Transaction transaction(target_.connection());
      copy_meta();
      transaction.commit();
    }
    for (const CopiedTable& table : copied_tables()) {
      if (&table == &events_table()) {
        copy_events();
        continue;
      }
      table_ = table.name;
      TableReader reader(source_.connection(), table);
      const auto sink = target_.sink(table);
      digests_.push_back(copy_rows(reader, *sink, on_rows(Step::copying)));
      done_ += digests_.back().rows;
    }
    target_.finish_copy();
  }

  // What was written is read back.
  void compare() {
    done_ = 0;
    std::size_t at = 0;
    for (const CopiedTable& table : copied_tables()) {
      table_ = table.name;
      if (&table == &events_table()) continue;
      const TableDigest found = digest_of(target_.connection(), table, on_rows(Step::checking));
      if (found != digests_.at(at++)) fail_comparison(table);
      done_ += found.rows;
    }
    const Head head = read_head(source_.connection());
    if (head != read_head(target_.connection())) fail_comparison(events_table());
    facts_.events = head.sequence;
    facts_.head_hash = head.hash;
    check_chain();
  }

  // While the source is held, fenced by the move of that id: an undo that came first or comes now is seen by both.
  void deliver(const std::string& id) {
    Connection& from = source_.connection();
    source_.hold();
    const auto departed = departure(from);
    if (!departed || departed->id != id) {
      from.roll_back();
      throw StoreError(Kind::other, "database " + source_.name() + ": the move was undone by another process");
    }
    try {
      deliver_held();
    } catch (...) {
      from.roll_back();
      throw;
    }
    from.roll_back();
  }

  MoveFacts facts() {
    facts_.tables.clear();
    for (const CopiedTable& table : copied_tables()) {
      facts_.tables.push_back({std::string(table.name), count_rows(target_.connection(), table.name)});
      if (table.name == "licenses") facts_.licenses = facts_.tables.back().rows;
    }
    return facts_;
  }
  MoveFacts& told() { return facts_; }
  void tell(Step step) {
    if (options_.on_progress) options_.on_progress({step, {}, done_, all_});
  }

 private:
  void require_free() {
    Connection& to = target_.connection();
    const std::string start = "database " + target_.name();
    if (const auto moved = departure(to)) {
      throw StoreError(Kind::moved, start + ": " + moved_text(*moved) + "; name an empty database, or a new file");
    }
    if (const auto arrived = arrival(to)) {
      const bool same = read_meta(to, sql::kDigestKeyName) == read_meta(source_.connection(), sql::kDigestKeyName);
      if (arrived->state == State::copying && same) return require_present_schema(target_);
      throw StoreError(Kind::other,
                       start + " holds " +
                           (arrived->state == State::copying ? "an unfinished move of " : "what came from ") +
                           arrived->from + "; name an empty database, or a new file");
    }
    for (const std::string_view table : {"licenses", "products", "api_keys", "events"}) {
      const std::int64_t rows = count_rows(to, table);
      if (rows == 0) continue;
      throw StoreError(Kind::other, start + " is not empty (" + std::to_string(rows) + " " + std::string(table) +
                                        "); name an empty database, or a new file");
    }
    require_present_schema(target_);
  }

  // The digest key above all, by which the target is known as the source's.
  void copy_meta() {
    Connection& to = target_.connection();
    Statement all(source_.connection(), sql::kAllMeta);
    bool has_key = false;
    for (auto rows = all.rows(); rows.next();) {
      if (is_placement(rows.text(0))) continue;
      has_key = has_key || rows.text(0) == sql::kDigestKeyName;
      Statement(to, sql::kDeleteMeta).run(rows.text(0));
      Statement(to, sql::kInsertMeta).run(rows.text(0), rows.blob(1));
    }
    if (!has_key) source_.connection().fail_corrupt("the digest key is missing");
  }

  static Head newest_event(Connection& connection) {
    Statement statement(connection, sql::kNewestEvent);
    auto rows = statement.rows();
    if (!rows.next()) return {};
    return {rows.number(0), base::to_hex(rows.blob(1))};
  }

  // In one transaction: whoever finds the target ready finds it told in the audit trail, too.
  void deliver_held() {
    Connection& to = target_.connection();
    Transaction transaction(to);
    if (!change_arrival(to, State::copying, State::ready)) {
      throw StoreError(Kind::other, "database " + target_.name() + " was changed by another process meanwhile");
    }
    append_event();
    transaction.commit();
  }

  // Each hash covers all events before: one that is the same on both sides vouches for them. Whether what is there is
  // what the hashes say is checked at the end.
  bool keeps_events() {
    const Head newest = newest_event(target_.connection());
    if (newest.sequence == 0) return true;
    Statement statement(source_.connection(), sql::kEventHash);
    auto rows = statement.rows(newest.sequence);
    return rows.next() && base::to_hex(rows.blob(0)) == newest.hash;
  }

  void check_chain() {
    Statement statement(target_.connection(), sql::kEventsUp);
    ChainLink link;
    std::vector<StoredEvent> page;
    std::optional<ChainFault> fault;
    do {
      page.clear();
      auto rows = statement.rows(link.sequence, std::numeric_limits<std::int64_t>::max(), kEventsOfPage);
      while (rows.next()) page.push_back(read_event(rows));
      fault = verify_chain(link, page);
      tell_rows(Step::checking, link.sequence);
    } while (!fault && !page.empty());
    if (!fault) {
      StoredEvent head;
      head.sequence = facts_.events;
      head.hash = facts_.head_hash;
      fault = verify_head(link, head);
    }
    if (!fault) return;
    if (digest_of(source_.connection(), events_table(), {}) != digest_of(target_.connection(), events_table(), {})) {
      fail_comparison(events_table());
    }
    facts_.audit_trail_is_whole = false;
    if (options_.force) return;
    throw StoreError(Kind::corrupt, "database " + source_.name() + ": the audit trail is damaged at event " +
                                        std::to_string(fault->sequence) + ": " + fault_text(fault->kind) +
                                        "; --force moves it as it is");
  }

  void append_event() {
    Connection& to = target_.connection();
    const Head head = read_head(to);
    ChainLink link;
    link.sequence = head.sequence + 1;
    if (!base::decode_hex(head.hash, link.hash)) to.fail_corrupt("the audit head is no hash");
    Event event;
    event.at = options_.now;
    event.actor = "system";
    event.action = "database.moved";
    event.detail = "{\"from\":" + base::json_string(source_.name()) + ",\"events\":" + std::to_string(head.sequence) +
                   ",\"head\":\"" + head.hash + "\"}";
    link.hash = next_hash(link.hash, link.sequence, event);
    const std::span<const std::uint8_t> hash(link.hash);
    Statement(to, sql::kInsertEvent)
        .run(link.sequence, event.at, event.actor, event.action, event.subject, event.client, event.code,
             event.request_id, event.detail, hash);
    Statement(to, sql::kUpdateAuditHead).run(link.sequence, hash);
  }

  [[noreturn]] void fail_comparison(const CopiedTable& table) {
    throw StoreError(Kind::corrupt, "database " + target_.name() + ": what was read back of table " +
                                        std::string(table.name) + " is not what " + source_.name() + " has");
  }

  std::function<void(std::int64_t)> on_rows(Step step) {
    return [this, step](std::int64_t rows) { tell_rows(step, rows); };
  }
  void tell_rows(Step step, std::int64_t rows) {
    if (options_.on_progress) options_.on_progress({step, table_, done_ + rows, all_});
  }

  const MoveOptions& options_;
  MoveEnd& source_;
  MoveEnd& target_;
  MoveFacts facts_;
  std::vector<TableDigest> digests_;  // of the tables but events, in their order
  std::string_view table_;
  std::int64_t done_ = 0, all_ = 0;  // rows of the tables before this one, of all tables
};

// The source's transaction: without commit() it was never there.
class Hold {
 public:
  Hold(MoveEnd& end, const Departure& departure) : end_(end) {
    end.hold();
    write_departure(end.connection(), departure);
    end.raise_fence(moved_text(departure));
  }
  ~Hold() { end_.connection().roll_back(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  void commit() { end_.commit(); }

 private:
  MoveEnd& end_;
};

// The source was fenced before: by this very move, of which the last step may be missing, or by another one.
MoveFacts finish_earlier(Move& move, const Departure& departed, MoveEnd& source, MoveEnd& target) {
  const auto arrived = target.has_schema() ? arrival(target.connection()) : std::nullopt;
  if (!arrived || arrived->id != departed.id) {
    throw StoreError(Kind::moved, "database " + source.name() + ": " + moved_text(departed) + "; " + target.name() +
                                      " is not what it was moved to");
  }
  const Head head = read_head(source.connection());
  move.told().events = head.sequence;
  move.told().head_hash = head.hash;
  move.told().was_moved_before = true;
  if (arrived->state == State::copying) move.deliver(departed.id);
  return move.facts();
}

std::unique_ptr<MoveEnd> open_target_of(const Departure& departed, const MoveEnd& source, const MoveOptions& options) {
  try {
    return open_end(options.to, EndUse::write);
  } catch (const StoreError& error) {
    throw StoreError(error.kind(),
                     "database " + source.name() + ": " + moved_text(departed) + "; " + std::string(error.what()));
  }
}

void require_unused(MoveEnd& end, bool take_over) {
  try {
    end.require_unused();
  } catch (const StoreError& error) {
    if (!take_over || error.kind() != Kind::locked) throw;
  }
}

}  // namespace

MoveFacts prepare_move(const MoveOptions& options) {
  const auto source = open_source(options, EndUse::read);
  if (const auto departed = departure(source->connection())) {
    throw StoreError(Kind::moved, "database " + source->name() + ": " + moved_text(*departed));
  }
  const auto target = open_end(options.to, EndUse::create);
  target->require_unused();
  Move move(options, *source, *target);
  move.begin_target();
  move.count(true);
  move.copy_events();
  return move.facts();
}

MoveFacts move_database(const MoveOptions& options) {
  const auto source = open_source(options, EndUse::write);
  const auto departed = departure(source->connection());
  if (!departed) require_unused(*source, options.take_over);
  const auto target = departed ? open_target_of(*departed, *source, options) : open_end(options.to, EndUse::create);
  if (source->name() == target->name()) {
    throw StoreError(Kind::other, "database " + source->name() + " can't be moved to itself");
  }
  Move move(options, *source, *target);
  if (departed) return finish_earlier(move, *departed, *source, *target);
  target->require_unused();
  move.begin_target();
  Hold hold(*source, {options.id, target->name(), options.now});
  move.copy_all();
  move.compare();
  hold.commit();
  move.tell(Step::fenced);
  move.deliver(options.id);
  return move.facts();
}

namespace {

// Whether the target has served, or may have. Afterwards it does not serve any more.
bool take_back(MoveEnd& target, const MoveEnd& source, const Departure& departed, const MoveOptions& options) {
  const auto arrived = target.has_schema() ? arrival(target.connection()) : std::nullopt;
  const bool is_it = arrived && arrived->id == departed.id;
  if (!is_it && !options.force) {
    throw StoreError(Kind::moved, "database " + target.name() + " is not what " + source.name() + " was moved to: " +
                                      moved_text(departed) + "; --force undoes the move all the same");
  }
  if (!is_it) return true;
  if (arrived->state == State::copying) return false;
  if (arrived->state == State::ready && change_arrival(target.connection(), State::ready, State::copying)) return false;
  if (!options.force) {
    throw StoreError(Kind::moved, "database " + target.name() +
                                      " has served since: what was done there would be lost; move it back (lictord "
                                      "migrate --from it --to a new file or an empty database), or give it up with "
                                      "--force");
  }
  require_unused(target, options.take_over);
  Hold hold(target, {options.id, source.name(), options.now});
  hold.commit();
  return true;
}

}  // namespace

UndoFacts undo_move(const MoveOptions& options) {
  const auto source = open_source(options, EndUse::write);
  const auto departed = departure(source->connection());
  if (!departed) throw StoreError(Kind::other, "database " + source->name() + " was not moved: it serves");
  UndoFacts facts{source->name(), departed->to, false, true};
  source->hold();  // a move that is about to end, and another undo, wait or find it done
  struct Released {
    Connection& connection;
    ~Released() { connection.roll_back(); }
  } released{source->connection()};
  if (!departure(source->connection())) throw StoreError(Kind::other, "the move was undone by another process");
  std::unique_ptr<MoveEnd> target;
  try {
    target = open_end(options.to, EndUse::write);
  } catch (const StoreError& error) {
    if (!options.force) {
      throw StoreError(error.kind(), std::string(error.what()) +
                                         "; whether it has served can't be told, --force undoes the move all the same");
    }
  }
  if (target) {
    facts.to = target->name();
    facts.target_was_reached = true;
    facts.target_had_served = take_back(*target, *source, *departed, options);
  }
  source->lower_fence();
  erase_departure(source->connection());
  source->commit();
  return facts;
}

}  // namespace lictor::store
