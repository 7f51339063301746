// Clients: list, show, deactivate, block, forget.
#include "api/admin.h"
#include "api/admin_license.h"
#include "api/admin_list.h"
#include "api/admin_view.h"
#include "api/signed_request.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

using licensing::Code;
using store::ClientView;
using store::LicenseDetails;

std::string license_id(const LicenseDetails& details) {
  return base::format_id(base::kLicensePrefix, details.license.id);
}

std::string client_detail(const ClientView& client, std::string_view reason) {
  std::string detail = "{\"client\":\"" + base::format_id(base::kClientPrefix, client.activation.client) + "\"";
  if (!reason.empty()) detail += ",\"reason\":" + base::json_string(reason);
  return detail + "}";
}

using EditClient = std::function<std::string(Change&, LicenseDetails&, ClientView&, const Arguments&)>;

Outcome run_edit(Change& change, const base::Id& id, const EditClient& edit, const Arguments& arguments) {
  const auto found = change.tx.client(id);
  if (!found) return refused(Code::not_found);
  const store::LicenseRef ref{store::LicenseRef::By::id, found->license_id};
  auto details = lock_license(change, ref);
  auto client = change.tx.client(id);  // again: the lock may have taken an ended lease out
  if (!details || !client) return refused(Code::not_found);
  if (auto failure = change.refuse_stale(client_etag(change.app, *client))) return refused(*failure);
  Outcome outcome;
  outcome.message = edit(change, *details, *client, arguments);
  outcome.data = view_client(*client, change.now);
  outcome.etag = client_etag(change.app, *client);
  return outcome;
}

void edit_client(Call& call, EditClient edit) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  const auto id = base::parse_id(base::kClientPrefix, call.path_id);
  if (!id) return call.fail(Code::not_found);
  submit_change(call, [id = *id, edit = std::move(edit), arguments = *arguments](Change& change) {
    return run_edit(change, id, edit, arguments);
  });
}

std::string deactivate(Change& change, LicenseDetails& details, ClientView& client, const Arguments&) {
  if (!client.activation.held) return "Client holds no seat";
  release_seat(change, details, client, "administrator");
  store_client(change, details, client);
  store_license(change, details);
  return "Client deactivated";
}

std::string block(Change& change, LicenseDetails& details, ClientView& client, const Arguments& arguments) {
  if (client.activation.blocked) return "Client is blocked already";
  if (client.activation.held) release_seat(change, details, client, "blocked");
  client.activation.blocked = true;
  store_client(change, details, client);
  store_license(change, details);
  change.record("client.blocked", license_id(details), client_detail(client, arguments.text_or("reason")),
                client.client_id);
  return "Client blocked";
}

std::string unblock(Change& change, LicenseDetails& details, ClientView& client, const Arguments& arguments) {
  if (!client.activation.blocked) return "Client is not blocked";
  client.activation.blocked = false;
  store_client(change, details, client);
  change.record("client.unblocked", license_id(details), client_detail(client, arguments.text_or("reason")),
                client.client_id);
  return "Client unblocked";
}

std::string forget(Change& change, LicenseDetails& details, ClientView& client, const Arguments&) {
  if (client.activation.held) {
    release_seat(change, details, client, "forgotten");
    store_license(change, details);
  }
  change.tx.delete_activation(details.license.row, client.client_id);
  change.record("client.forgotten", license_id(details), client_detail(client, {}), client.client_id);
  change.after_commit([&cache = change.app.cache, id = details.license.id, client_id = client.client_id] {
    cache.begin_publish();
    cache.publish(id, client_id, {});
  });
  return "Client forgotten";
}

}  // namespace

void store_client(Change& change, const LicenseDetails& details, const ClientView& client) {
  store::Changes changes;
  changes.activations.push_back({details.license.row, client.client_id, client.activation, client.last_seen_at});
  change.tx.apply(changes);
  change.after_commit(
      [&cache = change.app.cache, id = details.license.id, client_id = client.client_id, seat = client.activation] {
        cache.begin_publish();
        cache.publish(id, client_id, seat);
      });
}

void handle_list_clients(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  const auto ref = ref_of_id(call.path_id);
  if (!ref) return call.fail(Code::not_found);
  const auto limit = static_cast<std::size_t>(arguments->integer("limit").value_or(50));
  const auto held = arguments->boolean("held");
  const std::string after = arguments->text_or("cursor");
  ReadCall::submit(call, [&app = call.app(), ref = *ref, limit, held, after](store::Reader& reader) -> ReadCall::Reply {
    const base::UnixSeconds now = app.clock.now();
    const auto license = reader.license(ref, std::nullopt, now);
    if (!license) return [](Call& again) { again.fail(Code::not_found); };
    const auto clients = reader.clients(license->license.row, after, limit);
    std::vector<std::string> views;
    for (const auto& client : clients) {
      if (!held || *held == licensing::holds_seat(client.activation, now)) views.push_back(view_client(client, now));
    }
    std::string data = begin_list("clients", views);
    append_next(data, clients.size() == limit ? std::optional(clients.back().client_id) : std::nullopt);
    return [data = std::move(data)](Call& again) { again.succeed(200, data, "Clients"); };
  });
}

void handle_show_client(Call& call) {
  if (!read_arguments(call)) return;
  const auto id = base::parse_id(base::kClientPrefix, call.path_id);
  if (!id) return call.fail(Code::not_found);
  ReadCall::submit(call, [id = *id](store::Reader& reader) -> ReadCall::Reply {
    return [client = reader.client(id)](Call& again) {
      if (!client) return again.fail(Code::not_found);
      again.set_header("ETag", client_etag(again.app(), *client));
      again.succeed(200, view_client(*client, again.app().clock.now()), "Client found");
    };
  });
}

void handle_deactivate_client(Call& call) { edit_client(call, deactivate); }
void handle_block_client(Call& call) { edit_client(call, block); }
void handle_unblock_client(Call& call) { edit_client(call, unblock); }
void handle_forget_client(Call& call) { edit_client(call, forget); }

}  // namespace lictor::api
