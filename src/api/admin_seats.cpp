// Who holds the seats: licenses with their clients, for operators.
#include <fmt/format.h>

#include "api/admin.h"
#include "api/admin_change.h"
#include "api/admin_list.h"
#include "api/admin_names.h"
#include "api/admin_view.h"
#include "api/signed_request.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

using licensing::Code;
using store::LicenseDetails;

struct SeatsQuery {
  store::LicenseFilter filter;
  std::optional<store::LicenseRef> license;
  std::optional<store::Position> after;
  std::size_t limit = 100, clients = 10;
  bool in_use = false;
};

// Leases, not seats, are what frees them: `free` counts seats whose lease has ended as free.
void append_license(std::string& out, App& app, const LicenseDetails& details, base::UnixSeconds now) {
  const auto terms = app.catalog.terms(details.license.policy, details.license.overrides);
  const licensing::License& state = details.license.state;
  const std::uint32_t seats = licensing::allowed_seats(terms->terms);
  const auto number = [](std::uint32_t count) {
    return count == licensing::kUnlimited ? "null" : std::to_string(count);
  };
  const std::string free =
      seats == licensing::kUnlimited ? "null" : std::to_string(seats > state.seats_held ? seats - state.seats_held : 0);
  out += fmt::format(
      R"({{"license_id":"{}","product":{},"policy":{},"holder":{},"status":"{}","max_clients":{},"active_clients":{},)"
      R"("free":{},"floating":{},"expires_at":{},"clients":[)",
      base::format_id(base::kLicensePrefix, details.license.id), base::json_string(terms->product->stored.name),
      base::json_string(terms->policy->stored.name),
      details.holder.empty() ? "null" : base::json_string(details.holder),
      licensing::status_text(state, terms->terms, now), number(terms->terms.max_clients), state.seats_held, free,
      terms->terms.floating(), time_or_null(state.expires_at));
}

void append_client(std::string& out, const store::ClientView& client) {
  const licensing::Activation& seat = client.activation;
  out += fmt::format(
      R"({{"id":"{}","client_id":{},"activated_at":{},"lease_expires_at":{},"last_seen_at":{},"over_limit":{}}})",
      base::format_id(base::kClientPrefix, seat.client), base::json_string(client.client_id), seat.activated_at,
      time_or_null(seat.lease_expires_at), time_or_null(client.last_seen_at), seat.over_limit);
}

void append_seats(std::string& out, App& app, store::Reader& reader, const LicenseDetails& details,
                  const SeatsQuery& query, base::UnixSeconds now) {
  if (out.back() != '[') out += ',';
  append_license(out, app, details, now);
  store::HeldSeats seats;
  seats.more = details.license.state.seats_held > 0;
  if (seats.more && query.clients > 0) seats = reader.held_seats(details.license.row, query.clients, now);
  for (const auto& client : seats.clients) {
    if (out.back() != '[') out += ',';
    append_client(out, client);
  }
  out += seats.more ? "],\"more_clients\":true}" : "],\"more_clients\":false}";
}

std::string render(App& app, store::Reader& reader, const SeatsQuery& query) {
  const base::UnixSeconds now = app.clock.now();
  std::string data = "{\"licenses\":[";
  std::optional<store::Position> next;
  if (query.license) {
    const auto details = reader.license_details(*query.license, now);
    if (details) append_seats(data, app, reader, *details, query, now);
  } else {
    reader.at_one_moment([&] {
      const auto page = reader.licenses(query.filter, store::LicenseOrder::newest, query.after, query.limit, now);
      for (const auto& details : page.licenses) append_seats(data, app, reader, details, query, now);
      next = page.next;
    });
  }
  append_next(data += ']', next);
  return data;
}

}  // namespace

void handle_seats(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  SeatsQuery query;
  if (const auto fault = read_owner(call.app(), *arguments, query.filter)) return call.fail(*fault);
  if (const auto fault = read_position(*arguments, query.after)) return call.fail(*fault);
  if (const auto fault = read_license_id(*arguments, query.license)) return call.fail(*fault);
  query.limit = static_cast<std::size_t>(arguments->integer("limit").value_or(100));
  query.clients = static_cast<std::size_t>(arguments->integer("clients").value_or(10));
  if (arguments->boolean("in_use").value_or(false))
    query.filter.keep = [](const store::LicenseRow& license) { return license.state.seats_held > 0; };
  ReadCall::submit(call, [&app = call.app(), query](store::Reader& reader) -> ReadCall::Reply {
    return [data = render(app, reader, query)](Call& again) { again.succeed(200, data, "Seats"); };
  });
}

}  // namespace lictor::api
