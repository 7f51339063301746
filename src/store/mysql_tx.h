// A transaction on MySQL or MariaDB: rows are locked by a statement of their own, in the order of their numbers, before
// anything is decided from them (design.md, section 2), and what a batch changes is written by statements of many rows.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "store/mysql_connection.h"
#include "store/row_sets.h"
#include "store/server_tx.h"

namespace lictor::store {

class MysqlTx final : public ServerTx {
 public:
  explicit MysqlTx(MysqlConnection& connection);

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
  // The rows that `refs` stand for, locked, by id or by digest of the key; `with_clients`: the query takes the client
  // of each, too.
  template <class Record, class Read>
  std::vector<std::optional<Record>> lock_rows(SetReader& query, std::span<const LicenseRef> refs, bool with_clients,
                                               int version_column, const Read& read);
  std::vector<std::optional<LicenseRow>> lock_with_seats(std::span<const LicenseRef> refs);
  // Each once, in the order of rows, with the client that the ref names.
  std::vector<std::pair<Row, std::string_view>> rows_of(std::span<const LicenseRef> refs);
  void look_up_rows(std::span<const LicenseRef> refs);
  void write_licenses(std::span<const LicenseUpdate> updates);
  void write_activations(std::span<const ActivationUpdate> updates);
  void look_up_unknown(std::span<const ActivationUpdate> updates);

  MysqlConnection& connection_;
  SetReader rows_of_ids_, rows_of_keys_, lock_licenses_, lock_with_seats_, lock_details_, activations_;
  SetWriter write_licenses_, count_seats_, insert_activations_, update_activations_, insert_licenses_, insert_events_;
};

}  // namespace lictor::store
