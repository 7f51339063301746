// A transaction on PostgreSQL: rows are locked by a statement of their own, in the order of their numbers, before
// anything is decided from them (design.md, section 2), and what a batch changes is written as sets of rows, several
// statements in one round trip.
#pragma once

#include "store/postgres_array.h"
#include "store/postgres_connection.h"
#include "store/sql_tx.h"

namespace lictor::store {

class PostgresTx final : public SqlTx {
 public:
  explicit PostgresTx(PostgresConnection& connection) : SqlTx(connection), connection_(connection) {}

  std::vector<std::optional<LicenseRow>> lock(std::span<const LicenseRef> refs) override;
  std::vector<std::optional<LicenseDetails>> lock_details(std::span<const LicenseRef> refs) override;
  std::vector<std::optional<licensing::Activation>> activations(std::span<const SeatQuery> queries) override;
  void apply(const Changes& changes) override;
  void insert_licenses(std::span<const NewLicense> licenses) override;
  std::int64_t lock_catalog() override;
  std::optional<std::int64_t> catalog_version() const override { return catalog_version_; }
  std::uint64_t lead() override;

  void begin_on_server();
  // The events of this transaction; sequence 0: it has none.
  std::int64_t first_event() const noexcept { return first_event_; }
  const ChainLink& last_event() const noexcept { return last_event_; }

 protected:
  void append_events(std::span<const Event> events) override;

 private:
  // The rows that `refs` stand for, locked, by id or by digest of the key.
  template <class Record>
  std::vector<std::optional<Record>> lock_rows(std::string_view query, std::span<const LicenseRef> refs,
                                               Record (*read)(const Statement::Rows&), int version_column);
  ChainLink lock_head();
  void queue_licenses(std::span<const LicenseUpdate> updates);
  void queue_activations(std::span<const ActivationUpdate> updates);

  PostgresConnection& connection_;
  std::optional<ChainLink> head_;  // locked
  std::int64_t first_event_ = 0;
  ChainLink last_event_;
  std::optional<std::int64_t> catalog_version_;
  std::uint64_t leads_in_ = 0;  // generation of the connection; 0: does not lead
};

}  // namespace lictor::store
