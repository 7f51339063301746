// What a transaction on a database server has beyond SqlTx: the audit head is locked before it is appended to, the
// catalogue has a version, one of the processes leads. The engines add how sets of rows are written.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/sql_reader.h"
#include "store/sql_tx.h"

namespace lictor::store {

class ServerTx : public SqlTx {
 public:
  // `lead_query` asks for a lock that lasts as long as the connection: 1 when it is got.
  ServerTx(Connection& connection, std::string_view lead_query) : SqlTx(connection), lead_query_(lead_query) {}

  std::int64_t lock_catalog() override;
  std::optional<std::int64_t> catalog_version() const override { return catalog_version_; }
  std::uint64_t lead() override;
  std::vector<EndedLease> reclaim(std::span<const Row> licenses, UnixSeconds now) override;
  void delete_activation(Row license, std::string_view client_id) override;

  virtual void begin_on_server();
  // The events of this transaction; sequence 0: it has none.
  std::int64_t first_event() const noexcept { return first_event_; }
  const ChainLink& last_event() const noexcept { return last_event_; }
  std::span<const std::uint64_t> event_heads() const noexcept { return event_heads_; }  // of their hashes

 protected:
  // What lock() read along: activations of clients of locked licenses. Nothing of it is true any more once something
  // was written.
  using ClientKey = std::pair<Row, std::string>;
  std::map<ClientKey, std::optional<licensing::Activation>> read_along_;
  // Which activations are there, as far as it was asked or written: nobody else changes those of locked licenses.
  std::map<ClientKey, bool> exists_;
  // From ids and digests of keys to rows, as they once were. A key may become another license's, and after a
  // restored backup a row may: what was locked by it tells its own id and key.
  boost::unordered_flat_map<base::Bytes16, Row, base::Bytes16Hash> known_rows_;
  static constexpr std::size_t kMostKnown = 250'000;
  // Called with what was locked by those rows, or by ids and keys that were not known. Throws StoreError retry when a
  // license is not what it was known as, because its key was changed or it was deleted: it is looked up anew, in
  // another try, because all licenses of a transaction are locked in one order.
  template <class Record>
  void forget_changed(std::span<const LicenseRef> refs, std::span<const std::optional<Record>> locked) {
    bool changed = false;
    for (std::size_t i = 0; i < refs.size(); ++i) {
      if (!locked[i]) changed = known_rows_.erase(refs[i].value) != 0 || changed;
    }
    if (changed)
      throw StoreError(StoreError::Kind::retry, "database " + connection().name() + ": a license was changed");
  }

  struct SortedUpdates {
    std::vector<const LicenseUpdate*> counts;  // only what an activation changes of most licenses
    std::vector<const LicenseUpdate*> others;
  };
  // Notes what changes, too.
  SortedUpdates sort_updates(std::span<const LicenseUpdate> updates);

  // As a statement that locked licenses had it, which may have waited since. So whoever appends compares it with what
  // the head's lock, which comes after all others, tells: terms that changed before are not decided by.
  void note_catalog_version(std::int64_t version) noexcept { catalog_version_ = version; }
  // After the lock of licenses that was asked for at `start`: for those who append nothing, when it took long.
  void look_again_after(std::chrono::steady_clock::time_point start);
  // Whoever holds it is the only one that appends, until its COMMIT. Also before what others' transactions change in
  // another order: figures of products.
  ChainLink lock_head();
  void append_events(std::span<const Event> events) final;
  // The events have the sequences from `first` on.
  virtual void write_events(std::span<const Event> events, std::int64_t first, std::span<const ChainHash> hashes) = 0;
  virtual void write_head(const ChainLink& head) = 0;
  virtual void write_catalog_version(std::int64_t version) = 0;

 private:
  // Throws StoreError retry when it is not the catalogue's version that was noted.
  void require_version(std::int64_t now);

  const std::string_view lead_query_;
  std::optional<ChainLink> head_;  // locked
  std::int64_t first_event_ = 0;
  ChainLink last_event_;
  std::vector<std::uint64_t> event_heads_;
  std::optional<std::int64_t> catalog_version_;
  std::uint64_t leads_in_ = 0;  // generation of the connection; 0: does not lead
  std::string buffer_;
  std::vector<ChainHash> hashes_;
};

// What became of a COMMIT that was not answered.
enum class CommitFate : std::uint8_t { undone, done, unknown };
// Looks for the transaction's last event. The head is locked before: a server that still has the lost session has its
// locks, too, until it has committed or not.
CommitFate find_commit(Connection& connection, const ChainLink& last_event);

class ServerReader final : public SqlReader {
 public:
  explicit ServerReader(std::unique_ptr<Connection> own) : SqlReader(std::move(own)) {}
  void ping() override;
  std::int64_t catalog_version() override;
  std::optional<std::int64_t> server_milliseconds() override { return connection().milliseconds(); }
};

}  // namespace lictor::store
