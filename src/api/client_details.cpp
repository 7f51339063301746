// GET /api/v1/clients/{id}
#include "api/admin_view.h"
#include "api/data_plane.h"
#include "api/license_data.h"
#include "api/query.h"
#include "api/signed_request.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

struct Found {
  store::ClientView client;
  store::Row product = 0;
};

std::string render(const store::ClientView& client, base::UnixSeconds now) {
  const licensing::Activation& seat = client.activation;
  std::string data = "{\"id\":\"" + base::format_id(base::kClientPrefix, seat.client) + "\",\"client_id\":";
  base::append_json_string(data, client.client_id);
  data += ",\"license_id\":\"" + base::format_id(base::kLicensePrefix, client.license_id) + "\",\"status\":\"";
  data.append(client_status(seat, now)).append("\",\"client_version\":");
  seat.version.empty() ? void(data += "null") : base::append_json_string(data, seat.version);
  data += seat.fingerprint.kind == licensing::Fingerprint::Kind::absent ? ",\"hardware_bound\":false"
                                                                        : ",\"hardware_bound\":true";
  append_time(data, "activated_at", seat.activated_at);
  append_time(data, "lease_expires_at", seat.lease_expires_at);
  append_time(data, "last_seen_at", client.last_seen_at);
  append_time(data, "server_time", now);
  return data += '}';
}

std::optional<Found> find(const App& app, store::Reader& reader, const std::optional<base::Id>& client,
                          const std::optional<base::Id>& license, const std::string& client_id) {
  Found found;
  auto view = license ? reader.client(*license, client_id) : client ? reader.client(*client) : std::nullopt;
  if (!view) return std::nullopt;
  found.client = *std::move(view);
  const store::LicenseRef ref{store::LicenseRef::By::id, found.client.license_id};
  const auto owner = reader.license(ref, std::nullopt, app.clock.now());
  if (!owner) return std::nullopt;
  found.product = app.catalog.terms(owner->license.policy, owner->license.overrides)->product->stored.row;
  return found;
}

}  // namespace

void handle_get_client(Call& call) {
  const Query query(call.request().query);
  if (const auto unknown = query.unknown({"license_id"})) {
    return call.fail(RequestFault{licensing::Code::unknown_field, *unknown, "is no parameter of this call"});
  }
  const auto name = percent_decode(call.path_id);
  const auto license_text = query.get("license_id");
  const auto license = license_text ? base::parse_id(base::kLicensePrefix, *license_text) : std::nullopt;
  if (!name || (license_text && !license)) return call.fail(licensing::Code::not_found);
  const auto client = base::parse_id(base::kClientPrefix, *name);
  const store::Row product = call.caller->product;
  ReadCall::submit(
      call, [&app = call.app(), client, license, name = *name, product](store::Reader& reader) -> ReadCall::Reply {
        auto found = find(app, reader, client, license, name);
        if (found && product != 0 && product != found->product) found.reset();  // another owner's: not there
        return [found = std::move(found)](Call& again) {
          if (!found) return again.fail(licensing::Code::not_found);
          again.succeed(200, render(found->client, again.app().clock.now()), "Client found");
        };
      });
}

}  // namespace lictor::api
