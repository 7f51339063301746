// A transaction on PostgreSQL: rows are locked by a statement of their own, in the order of their numbers, before
// anything is decided from them (design.md, section 2), and what a batch changes is written as sets of rows, several
// statements in one round trip.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "store/postgres_array.h"
#include "store/postgres_connection.h"
#include "store/server_tx.h"

namespace lictor::store {

class PostgresTx final : public ServerTx {
 public:
  explicit PostgresTx(PostgresConnection& connection);

  std::vector<std::optional<LicenseRow>> lock(std::span<const LicenseRef> refs) override;
  std::vector<std::optional<LicenseDetails>> lock_details(std::span<const LicenseRef> refs) override;
  std::vector<std::optional<licensing::Activation>> activations(std::span<const SeatQuery> queries) override;
  void apply(const Changes& changes) override;
  void insert_licenses(std::span<const NewLicense> licenses) override;

 protected:
  void write_events(std::span<const Event> events, std::int64_t first, std::span<const ChainHash> hashes) override;
  void write_head(const ChainLink& head) override;
  void write_catalog_version(std::int64_t version) override;
  void add_totals(const Totals& change) override;

 private:
  // Activations to ask for, in one question.
  struct SeatQuestion {
    std::vector<ClientKey> keys;
    PostgresArray licenses{PostgresArray::Of::numbers}, clients{PostgresArray::Of::texts};

    void add(Row license, std::string_view client_id);
    std::array<Value, 2> values() { return {licenses.value(), clients.value()}; }
  };

  // Of the clients that `refs` name, where it is known which row the license has.
  SeatQuestion seats_of_known(std::span<const LicenseRef> refs) const;
  template <class Record>
  std::vector<std::optional<Record>> read_locked(Statement::Rows&& rows, std::span<const LicenseRef> refs,
                                                 Record (*read)(const Statement::Rows&), int version_column);
  void remember_rows(std::span<const LicenseRef> refs, std::span<const std::optional<LicenseRow>> locked);
  void queue_licenses(std::span<const LicenseUpdate> updates);
  // Those that are known not to be there are inserted; of all others there may be a row.
  void queue_activations(std::span<const ActivationUpdate> updates);

  PostgresConnection& connection_;
};

}  // namespace lictor::store
