// Reads, over a connection of their own.
#pragma once

#include <memory>

#include "store/sql_connection.h"
#include "store/sql_statistics.h"
#include "store/store.h"

namespace lictor::store {

class SqlReader : public Reader {
 public:
  explicit SqlReader(std::unique_ptr<Connection> connection);

  std::optional<LicenseView> license(const LicenseRef& ref, std::optional<std::string_view> client_id,
                                     UnixSeconds now) override;
  std::optional<ClientView> client(const Id& client) override;
  std::optional<ClientView> client(const Id& license, std::string_view client_id) override;
  std::optional<LicenseDetails> license_details(const LicenseRef& ref, UnixSeconds now) override;
  LicensePage licenses(const LicenseFilter& filter, LicenseOrder order, const std::optional<Position>& after,
                       std::size_t limit, UnixSeconds now) override;
  HeldSeats held_seats(Row license, std::size_t limit, UnixSeconds now) override;
  std::vector<ClientView> clients(Row license, std::string_view after_client_id, std::size_t limit) override;
  std::vector<Product> products() override;
  std::vector<Policy> policies() override;
  std::optional<ApiKey> api_key(const Id& id) override;
  std::vector<ApiKey> api_keys() override;
  EventPage events(const EventFilter& filter, std::size_t limit) override;
  StoredEvent audit_head() override;
  Totals totals() override;
  ChangePage changes(const ChangePlace& place, std::size_t limit) override;
  std::int64_t catalog_version() override { return 0; }
  void ping() override;
  StatisticsReader& statistics() override { return statistics_; }
  void at_one_moment(const std::function<void()>& reads) override;

 protected:
  Connection& connection() noexcept { return connection_; }

 private:
  // What is read often; the rest is prepared when it is needed.
  struct Statements {
    explicit Statements(Connection& connection);
    Statement license_by_id, license_by_key, view_by_id, view_by_key, count_ended_leases, next_lease_end;
    Statement client_by_id, client_of_license, api_key, ping;
  };

  std::optional<LicenseView> read_view(const LicenseRef& ref, std::optional<std::string_view> client_id);
  void correct_seats(LicenseRow& license, UnixSeconds now);

  const std::unique_ptr<Connection> own_;
  Connection& connection_;
  Statements statements_;
  bool at_one_moment_ = false;
  LateStatement changes_;
  LateStatement held_clients_;  // once for each license of a long list
  SqlStatisticsReader statistics_;
};

}  // namespace lictor::store
