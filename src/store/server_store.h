// The store on a database server, whichever engine: transactions that outlive their connection, readers, and what this
// process remembers of what it wrote. The engines prepare the database and add how sets of rows are written.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "store/server_tx.h"
#include "store/sql_connection.h"
#include "store/store.h"
#include "store/written_events.h"

namespace lictor::store {

// A process that says nothing for so long within a transaction is frozen or gone: what it has locked becomes free.
inline std::chrono::seconds longest_pause(std::chrono::milliseconds timeout) {
  return std::max(std::chrono::ceil<std::chrono::seconds>(2 * timeout), std::chrono::seconds(5));
}

class ServerStore final : public Store {
 public:
  struct Parts {
    std::unique_ptr<Connection> writer;  // to a database that is prepared
    std::unique_ptr<ServerTx> tx;        // on `writer`
    // A connection that only reads and waits no longer than this for an answer.
    std::function<std::unique_ptr<Connection>(std::chrono::milliseconds timeout)> open_reading;
    std::chrono::milliseconds timeout{};  // of other readers
    std::shared_ptr<const ConnectionCounters> counters;
    std::string durability_gap;
    std::function<void(double seconds)> on_commit;  // may be empty
  };

  explicit ServerStore(Parts parts);

  void write(const std::function<void(Tx&)>& work) override;
  std::unique_ptr<Reader> open_reader() override { return open_feed_reader(parts_.timeout); }
  std::unique_ptr<Reader> open_feed_reader(std::chrono::milliseconds timeout) override {
    return std::make_unique<ServerReader>(parts_.open_reading(timeout));
  }
  std::array<std::uint8_t, 16> digest_key() const override { return digest_key_; }
  std::string describe() const override { return parts_.writer->name(); }
  std::string durability_gap() const override { return parts_.durability_gap; }
  bool is_shared() const noexcept override { return true; }
  EventAuthor author_of(const ChangeNote& note) const override {
    return written_.author_of(note.sequence, note.hash_head);
  }
  std::int64_t newest_written() const override { return written_.newest(); }
  std::optional<ChangePlace> end_of_own(std::int64_t sequence) const override { return written_.end_of_own(sequence); }
  bool was_set_back() const override { return written_.was_set_back(); }
  void has_read(std::int64_t sequence) override { written_.forget_until(sequence); }
  ChangePlace last_written() const override;
  void forget_written() override { written_.forget(); }
  ConnectionCounts connections() const override {
    return {parts_.counters->open, parts_.counters->opened, parts_.counters->lost};
  }

 private:
  void write_once(const std::function<void(Tx&)>& work);
  void note_written() { written_.note(parts_.tx->first_event(), parts_.tx->event_heads(), last_written().hash); }

  const Parts parts_;
  std::array<std::uint8_t, 16> digest_key_{};
  WrittenEvents written_;
};

// An engine's store: `prepare` makes the database one that can be served, on the connection that will write;
// `durability_gap` is a query for that text, NULL when there is none.
template <class EngineConnection, class EngineTx>
std::unique_ptr<Store> open_server_store(typename EngineConnection::Options reading,
                                         typename EngineConnection::Options writing,
                                         const std::function<void(EngineConnection&)>& prepare,
                                         std::string_view durability_gap,
                                         std::function<void(double seconds)> on_commit) {
  const auto counters = std::make_shared<ConnectionCounters>();
  reading.counters = writing.counters = counters;
  reading.read_only = true;
  auto writer = std::make_unique<EngineConnection>(std::move(writing));
  prepare(*writer);
  ServerStore::Parts parts;
  parts.durability_gap = writer->text(durability_gap);
  parts.tx = std::make_unique<EngineTx>(*writer);
  parts.writer = std::move(writer);
  parts.timeout = reading.timeout;
  parts.open_reading = [reading = std::move(reading)](std::chrono::milliseconds timeout) {
    auto own = reading;
    own.timeout = timeout;
    return std::make_unique<EngineConnection>(std::move(own));
  };
  parts.counters = counters;
  parts.on_commit = std::move(on_commit);
  return std::make_unique<ServerStore>(std::move(parts));
}

}  // namespace lictor::store
