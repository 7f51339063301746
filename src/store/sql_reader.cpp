#include "store/sql_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/encoding.h"
#include "store/license_scan.h"
#include "store/queries.h"
#include "store/records.h"

namespace lictor::store {
namespace {

constexpr std::size_t kMostExamined = 5000;  // events in one call
constexpr std::size_t kMostInVain = 600;     // licenses of one call that do not fit; each may be a read of the disk

bool fits(const EventFilter& filter, const Event& event) {
  const auto equals = [](const std::string& wanted, const std::string& value) {
    return wanted.empty() || wanted == value;
  };
  return event.at >= filter.from && event.at < filter.until && equals(filter.actor, event.actor) &&
         equals(filter.code, event.code) && equals(filter.request_id, event.request_id) &&
         event.action.starts_with(filter.action);
}

// Whether events are left out that the index gives.
bool tests_rows(const EventFilter& filter) {
  return filter.from != 0 || filter.until != licensing::kNever || !filter.actor.empty() || !filter.code.empty() ||
         !filter.request_id.empty() || !filter.action.empty();
}

std::string_view event_query(const EventFilter& filter) {
  if (filter.subject.empty()) return filter.newest_first ? sql::kEventsDown : sql::kEventsUp;
  return filter.newest_first ? sql::kEventsOfSubjectDown : sql::kEventsOfSubjectUp;
}

std::int64_t as_limit(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::size_t>(limit, std::numeric_limits<std::int64_t>::max()));
}

template <class Record>
std::vector<Record> read_all(Statement::Rows rows, Record (*read)(const Statement::Rows&)) {
  std::vector<Record> records;
  while (rows.next()) records.push_back(read(rows));
  return records;
}

// Of an event about seats. The detail is JSON that was written by us: a name with its quotes and colon stands nowhere
// inside a string, where quotes are escaped.
std::optional<std::uint32_t> seats_held_of(std::string_view detail) {
  constexpr std::string_view kName = "\"seats_held\":";
  const std::size_t at = detail.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  std::uint32_t number = 0;
  const std::string_view rest = detail.substr(at + kName.size());
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return error == std::errc{} ? std::optional(number) : std::nullopt;
}

Product read_product(const Statement::Rows& rows) {
  return {.row = rows.number(0),
          .id = rows.bytes16(1),
          .name = std::string(rows.text(2)),
          .settings = std::string(rows.text(3)),
          .created_at = rows.number(4)};
}

Policy read_policy(const Statement::Rows& rows) {
  return {.row = rows.number(0),
          .id = rows.bytes16(1),
          .product = rows.number(2),
          .name = std::string(rows.text(3)),
          .terms = std::string(rows.text(4)),
          .created_at = rows.number(5)};
}

}  // namespace

SqlReader::Statements::Statements(Connection& connection)
    : license_by_id(connection, sql::kLicenseById),
      license_by_key(connection, sql::kLicenseByKey),
      view_by_id(connection, sql::kViewById),
      view_by_key(connection, sql::kViewByKey),
      count_ended_leases(connection, sql::kCountEndedLeases),
      next_lease_end(connection, sql::kNextLeaseEnd),
      client_by_id(connection, sql::kClientById),
      client_of_license(connection, sql::kClientOfLicense),
      api_key(connection, sql::kApiKey),
      ping(connection, sql::kPing) {}

SqlReader::SqlReader(std::unique_ptr<Connection> connection)
    : own_(std::move(connection)),
      connection_(*own_),
      statements_(connection_),
      changes_(connection_, sql::kChanges),
      held_clients_(connection_, sql::kHeldClients),
      statistics_(connection_) {}

std::optional<LicenseView> SqlReader::read_view(const LicenseRef& ref, std::optional<std::string_view> client_id) {
  const bool by_id = ref.by == LicenseRef::By::id;
  if (client_id) {
    auto rows = (by_id ? statements_.view_by_id : statements_.view_by_key).rows(ref.value, *client_id);
    return rows.next() ? std::optional(store::read_view(rows)) : std::nullopt;
  }
  auto rows = (by_id ? statements_.license_by_id : statements_.license_by_key).rows(ref.value);
  if (!rows.next()) return std::nullopt;
  return LicenseView{.license = read_license(rows), .activation = std::nullopt};
}

// One statement, but where leases have ended: their number must be of the moment at which they were counted as held.
std::optional<LicenseView> SqlReader::license(const LicenseRef& ref, std::optional<std::string_view> client_id,
                                              UnixSeconds now) {
  auto view = read_view(ref, client_id);
  if (!view || view->license.state.next_lease_end > now) return view;
  at_one_moment([&] {
    view = read_view(ref, client_id);
    if (view) correct_seats(view->license, now);
  });
  return view;
}

void SqlReader::correct_seats(LicenseRow& license, UnixSeconds now) {
  if (license.state.next_lease_end > now) return;
  auto ended = statements_.count_ended_leases.rows(license.row, now);
  if (ended.next()) license.state.seats_held -= std::min(license.state.seats_held, ended.count(0));
  auto next_end = statements_.next_lease_end.rows(license.row, now);
  license.state.next_lease_end = next_end.next() ? next_end.number(0) : licensing::kNever;
}

std::optional<ClientView> SqlReader::client(const Id& client) {
  auto rows = statements_.client_by_id.rows(client);
  return rows.next() ? std::optional(read_client(rows)) : std::nullopt;
}

std::optional<ClientView> SqlReader::client(const Id& license, std::string_view client_id) {
  auto rows = statements_.client_of_license.rows(license, client_id);
  return rows.next() ? std::optional(read_client(rows)) : std::nullopt;
}

std::optional<LicenseDetails> SqlReader::license_details(const LicenseRef& ref, UnixSeconds now) {
  std::optional<LicenseDetails> details;
  at_one_moment([&] {
    Statement statement(connection_, ref.by == LicenseRef::By::id ? sql::kDetailsById : sql::kDetailsByKey);
    auto rows = statement.rows(ref.value);
    if (!rows.next()) return;
    details = read_details(rows);
    correct_seats(details->license, now);
  });
  return details;
}

LicensePage SqlReader::licenses(const LicenseFilter& filter, LicenseOrder order, const std::optional<Position>& after,
                                std::size_t limit, UnixSeconds now) {
  LicensePage page;
  at_one_moment([&] {
    LicenseScan scan(connection_, filter, order, after, limit + kMostInVain + 1);
    for (std::size_t in_vain = 0; scan.next();) {
      if (page.licenses.size() == limit || in_vain == kMostInVain) {
        page.next = scan.previous();
        break;
      }
      ++in_vain;
      if (!scan.fits()) continue;
      page.licenses.push_back(read_details(scan.row()));
      LicenseRow& license = page.licenses.back().license;
      correct_seats(license, now);
      filter.keep && !filter.keep(license) ? page.licenses.pop_back() : void(--in_vain);
    }
  });
  return page;
}

HeldSeats SqlReader::held_seats(Row license, std::size_t limit, UnixSeconds now) {
  HeldSeats seats;
  auto rows = held_clients_->rows(license, now, as_limit(limit + 1));
  while (rows.next()) {
    seats.more = seats.clients.size() == limit;
    if (!seats.more) seats.clients.push_back(read_client(rows));
  }
  return seats;
}

std::vector<ClientView> SqlReader::clients(Row license, std::string_view after_client_id, std::size_t limit) {
  Statement statement(connection_, sql::kClientsPage);
  return read_all(statement.rows(license, after_client_id, as_limit(limit)), read_client);
}

ChangePage SqlReader::changes(const ChangePlace& place, std::size_t limit) {
  ChangePage page;
  page.last = place;
  bool found = place.sequence == 0;
  auto rows = changes_->rows(place.sequence, as_limit(limit + 1));
  while (rows.next()) {
    const std::int64_t sequence = rows.number(0);
    const auto hash = rows.blob(1);
    const std::string_view bytes(reinterpret_cast<const char*>(hash.data()), hash.size());
    if (sequence == place.sequence) {
      found = place.hash == bytes;
      continue;
    }
    if (page.notes.size() == limit) {
      page.more = true;
      break;
    }
    page.notes.push_back({sequence, hash_head(bytes), std::string(rows.text(2)), std::string(rows.text(3)),
                          std::string(rows.text(4)), seats_held_of(rows.text(5))});
    page.last = {sequence, std::string(bytes)};
  }
  page.is_another = !found;
  return page;
}

void SqlReader::at_one_moment(const std::function<void()>& reads) {
  if (at_one_moment_) return reads();
  connection_.begin_reading();
  at_one_moment_ = true;
  try {
    reads();
  } catch (...) {
    at_one_moment_ = false;
    connection_.roll_back();
    throw;
  }
  at_one_moment_ = false;
  connection_.commit();
}

std::vector<Product> SqlReader::products() {
  Statement statement(connection_, sql::kProducts);
  return read_all(statement.rows(), read_product);
}

std::vector<Policy> SqlReader::policies() {
  Statement statement(connection_, sql::kPolicies);
  return read_all(statement.rows(), read_policy);
}

std::optional<ApiKey> SqlReader::api_key(const Id& id) {
  auto rows = statements_.api_key.rows(id);
  return rows.next() ? std::optional(read_api_key(rows)) : std::nullopt;
}

std::vector<ApiKey> SqlReader::api_keys() {
  Statement statement(connection_, sql::kApiKeys);
  return read_all(statement.rows(), read_api_key);
}

EventPage SqlReader::events(const EventFilter& filter, std::size_t limit) {
  Statement statement(connection_, event_query(filter));
  const std::size_t most = tests_rows(filter) ? kMostExamined + 1 : std::min(limit, kMostExamined) + 1;
  auto rows = statement.rows_as_used(filter.after, filter.before, most, filter.subject);
  EventPage page;
  std::int64_t last = 0;
  for (std::size_t examined = 0; rows.next(); ++examined) {
    if (page.events.size() == limit || examined == kMostExamined) {
      page.next = last;
      break;
    }
    StoredEvent stored = read_event(rows);
    last = stored.sequence;
    if (fits(filter, stored.event)) page.events.push_back(std::move(stored));
  }
  return page;
}

StoredEvent SqlReader::audit_head() {
  Statement statement(connection_, sql::kAuditHead);
  auto rows = statement.rows();
  if (!rows.next()) connection_.fail_corrupt("the audit head is missing");
  return {.sequence = rows.number(0), .event = {}, .hash = base::to_hex(rows.blob(1))};
}

Totals SqlReader::totals() {
  Statement statement(connection_, sql::kTotals);
  auto rows = statement.rows();
  if (!rows.next()) connection_.fail_corrupt("counting gave nothing");
  return {.licenses = rows.number(0),
          .active_licenses = rows.number(1),
          .seats_held = rows.number(2),
          .events = rows.number(3)};
}

void SqlReader::ping() {
  auto rows = statements_.ping.rows();
  if (!rows.next()) connection_.fail_corrupt("the audit head is missing");
  if (!rows.is_null(1)) throw StoreError(StoreError::Kind::moved, "database " + connection_.name() + " was moved away");
}

}  // namespace lictor::store
