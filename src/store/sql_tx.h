// A transaction's reads and writes, statement by statement. On SQLite, BEGIN IMMEDIATE has locked everything before the
// first of them; engines that lock rows override lock() and lock_details(), and what they do better with sets of rows.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <unordered_map>

#include "store/audit_chain.h"
#include "store/sql_connection.h"
#include "store/sql_statistics.h"
#include "store/store.h"

namespace lictor::store {

// Made once with the writer's connection and used for one transaction after the other; its statements are kept.
class SqlTx : public Tx {
 public:
  explicit SqlTx(Connection& connection);

  std::vector<std::optional<LicenseRow>> lock(std::span<const LicenseRef> refs) override;
  std::vector<EndedLease> reclaim(std::span<const Row> licenses, UnixSeconds now) override;
  UnixSeconds next_lease_end(Row license) override;
  std::vector<std::optional<licensing::Activation>> activations(std::span<const SeatQuery> queries) override;
  std::vector<UsageState> usage(std::span<const UsageQuery> queries) override;
  void apply(const Changes& changes) override;

  Row insert_product(const Product& product) override;
  void update_product_settings(Row product, std::string_view settings) override;
  Row insert_policy(const Policy& policy) override;
  void insert_licenses(std::span<const NewLicense> licenses) override;
  void insert_api_key(const ApiKey& key) override;
  bool revoke_api_key(const Id& id, UnixSeconds now) override;
  void update_api_key(const ApiKey& key) override;
  std::optional<ApiKey> api_key(const Id& id) override;
  void update_policy_terms(Row policy, std::string_view terms) override;
  void delete_policy(Row policy) override;
  void delete_product(Row product) override;
  std::vector<std::optional<LicenseDetails>> lock_details(std::span<const LicenseRef> refs) override;
  void change_license(const LicenseChange& change) override;
  std::optional<ClientView> client(const Id& client) override;
  std::vector<ClientView> held_clients(Row license) override;
  void delete_activation(Row license, std::string_view client_id) override;
  std::optional<IdempotencyRecord> idempotency(const Id& caller, std::string_view key) override;
  void remember(const IdempotencyRecord& record) override;
  StatisticsTx& statistics() override { return statistics_; }
  std::int64_t lock_catalog() override { return 0; }
  std::optional<std::int64_t> catalog_version() const override { return std::nullopt; }
  std::uint64_t lead() override { return 1; }

  void begin() noexcept;  // forgets what an earlier transaction left
  virtual void finish();  // before COMMIT: adds what this transaction changed to the totals

 protected:
  void note_locked(const LicenseRow& license);
  const licensing::License* locked(Row license) const;  // as it is in the database now; nullptr: it is not locked
  // Adds what the change of a locked license makes of the totals. Before it is written, or after.
  void note_changed(const LicenseUpdate& update);
  void note_inserted(const licensing::License& state);
  const Totals& change() const noexcept { return change_; }
  Connection& connection() noexcept { return connection_; }
  void expect_one(std::string_view missing) const;
  void store_usage(std::span<const UsageUpdate> updates);
  ChainLink read_head();
  virtual void append_events(std::span<const Event> events);
  virtual void add_totals(const Totals& change);

 private:
  // What the hot path of a transaction runs; administration prepares its statements when it needs them.
  struct Statements {
    explicit Statements(Connection& connection);
    Statement license_by_id, license_by_key;
    Statement activation, upsert_activation;
    Statement ended_leases, release_ended_leases, correct_seats, next_lease_end;
    Statement usage_total, upsert_usage, usage_key, replace_usage_key, old_usage_keys, delete_usage_key;
    Statement insert_event, audit_head, update_audit_head, add_totals;
  };

  void collect_ended(Row license, UnixSeconds now, std::vector<EndedLease>& ended);
  UnixSeconds next_lease_end_after(Row license, UnixSeconds time);
  Row row_of(std::string_view query, const Id& id);
  Statement& update_statement(std::size_t indexed);
  void update_license(const LicenseUpdate& update);
  void store_activation(const ActivationUpdate& update);
  void forget_usage_keys(UnixSeconds before, std::size_t most);

  Connection& connection_;
  Statements statements_;
  std::array<std::optional<Statement>, 8> update_license_;      // sql::kUpdateLicense, made when first needed
  LateStatement change_license_, held_clients_, client_by_id_;  // of administrative changes, some of many rows
  SqlStatisticsTx statistics_;
  std::string event_text_;                              // reused
  std::unordered_map<Row, licensing::License> locked_;  // as they are in the database now
  Totals change_;                                       // of this transaction; events are not used
};

}  // namespace lictor::store
