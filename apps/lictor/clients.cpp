// lictor client list | show | deactivate | block | unblock | forget
#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/id.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/licenses.h"
#include "lictor/session.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

// ---- list ----

struct ListOptions {
  std::string license;
  bool held = false;
  Amount amount;
};

void list(Session& session, const ListOptions& options) {
  const std::string id = find_license(session, options.license).id;
  const Query query = {{"held", options.held ? "true" : ""}};
  const Listing listing =
      session.client().list("/licenses/" + id + "/clients", "clients", query, options.amount.most());
  remark_more(session, listing);
  if (session.output().json()) return session.output().print_json(listing.items);
  if (listing.items.empty()) return session.output().remark("lictor: no clients");
  session.output().print(clients_table(listing.items));
}

// ---- one client ----

struct OneClient : ChangeOptions {
  std::vector<std::string> names;  // cli_…, or a license and a client_id
};

// Its cli_… id. A license has few clients, and no list of them can be asked for one name.
std::string find_client(Session& session, const OneClient& options) {
  const std::string& first = options.names.front();
  if (options.names.size() == 1) {
    if (const auto id = base::parse_id(base::kClientPrefix, first)) return base::format_id(base::kClientPrefix, *id);
    throw CommandError(ExitCode::usage, printable(first) + ": not the id of a client; one is cli_ and 26 characters",
                       "a client's own client_id needs its license before it: LICENSE CLIENT_ID");
  }
  const std::string license = find_license(session, first).id;
  const std::string& name = options.names.back();
  std::string found;
  session.client().pages("/licenses/" + license + "/clients", {{"limit", "500"}}, [&](const json::object& page) {
    const json::value* const clients = find(page, "clients");
    if (clients == nullptr || !clients->is_array()) return false;
    for (const json::value& client : clients->get_array()) {
      if (text_of(client.as_object(), "client_id") == name) found = text_of(client.as_object(), "id");
    }
    return found.empty();
  });
  if (found.empty()) {
    throw CommandError(ExitCode::refused, fmt::format("{} has no client {}", license, printable(name)),
                       "lictor client list " + license + " shows them");
  }
  return found;
}

void print_client(Session& session, const json::object& client) {
  Table table;
  const auto add = [&table](const char* label, std::string text) {
    if (!text.empty()) table.add({{label, Colour::dim}, {std::move(text)}});
  };
  add("client", text_of(client, "client_id"));
  add("client id", text_of(client, "id"));
  add("license id", text_of(client, "license_id"));
  table.add({{"state", Colour::dim}, status_cell(client_state(client))});
  add("version", text_of(client, "client_version"));
  add("activated", time_or(client, "activated_at", ""));
  add("lease ends", time_or(client, "lease_expires_at", "never"));
  add("last seen", time_or(client, "last_seen_at", ""));
  add("bound to", joined_texts(array_of(client, "bound")));
  session.output().print(table);
}

void show(Session& session, const OneClient& options) {
  const std::string id = find_client(session, options);
  const json::object client = with_etag(session, session.client().get("/clients/" + id));
  if (session.output().json()) return session.output().print_json(client);
  print_client(session, client);
}

void change(Session& session, const OneClient& options, const char* verb) {
  const std::string id = find_client(session, options);
  json::object body;
  if (!options.reason.empty()) body["reason"] = options.reason;
  const json::object client =
      with_etag(session, session.client().post("/clients/" + id + "/" + verb, body, options.if_match));
  if (session.output().json()) return session.output().print_json(client);
  session.output().print_line(fmt::format("{} ({}) is {}", id, text_of(client, "client_id"), client_state(client)));
}

void forget(Session& session, const OneClient& options) {
  const std::string id = find_client(session, options);
  confirm(options, fmt::format("Forget {} with its seat and its record for good?", id));
  const json::object answer = session.client().remove("/clients/" + id, options.if_match);
  if (session.output().json()) return session.output().print_json(answer);
  session.output().print_line(fmt::format("{} is forgotten", id));
}

// ---- the grammar ----

using Run = void (*)(Session&, const OneClient&);

void add_single(CLI::App& group, Commands commands, const char* name, const char* description, Run run) {
  auto o = std::make_shared<OneClient>();
  CLI::App& command =
      commands.add(group, name, description,
                   fmt::format("lictor client {} lic_0123456789abcdefghjkmnpqrs my-machine", name), o, run);
  command.add_option("client", o->names, "Its id (cli_…), or its license and its client_id")
      ->required()
      ->expected(1, 2)
      ->type_name("");
  if (run == &show) return;
  if (run != &forget) add_reason(command, *o);
  add_if_match(command, *o);
  if (run == &forget) add_yes(command, *o);
}

}  // namespace

Table clients_table(const json::array& clients) {
  Table table({"CLIENT", "STATE", "VERSION", "ACTIVATED", "LEASE ENDS", "LAST SEEN", "BOUND TO", "CLIENT ID"});
  for (const json::value& item : clients) {
    const json::object& client = item.as_object();
    table.add({{text_of(client, "client_id")},
               status_cell(client_state(client)),
               {text_of(client, "client_version")},
               {time_or(client, "activated_at", "")},
               {time_or(client, "lease_expires_at", "never")},
               {time_or(client, "last_seen_at", "")},
               {joined_texts(array_of(client, "bound"))},
               {text_of(client, "id")}});
  }
  return table;
}

void add_client_commands(CLI::App& app, Commands commands) {
  CLI::App& group = commands.add_group(app, "client", "Look at the clients of licenses, free their seats, block them",
                                       "lictor client list lic_0123456789abcdefghjkmnpqrs");
  auto o = std::make_shared<ListOptions>();
  CLI::App& listing = commands.add(group, "list", "List the clients of a license",
                                   "lictor client list lic_0123456789abcdefghjkmnpqrs --held", o, list);
  add_text(listing, "license", o->license, kLicenseArgument, "")->required();
  listing.add_flag("--held", o->held, "Only those that hold a seat now");
  add_amount(listing, o->amount);
  add_single(group, commands, "show", "Show a client", show);
  add_single(group, commands, "deactivate", "Free a client's seat",
             [](Session& session, const OneClient& one) { change(session, one, "deactivate"); });
  add_single(group, commands, "block", "Refuse a client on this license until it is unblocked, and free its seat",
             [](Session& session, const OneClient& one) { change(session, one, "block"); });
  add_single(group, commands, "unblock", "Let a client activate again",
             [](Session& session, const OneClient& one) { change(session, one, "unblock"); });
  add_single(group, commands, "forget", "Free a client's seat and remove its record", forget);
}

}  // namespace lictor::cli
