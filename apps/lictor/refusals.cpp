// lictor refusals list
#include <boost/json.hpp>

#include "lictor/json_fields.h"
#include "lictor/licenses.h"
#include "lictor/session.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

struct RefusalOptions {
  std::string request_id, license, client, code;
  Amount amount;
};

void list_refusals(Session& session, const RefusalOptions& options) {
  Query query = {{"request_id", options.request_id}, {"client_id", options.client}, {"code", options.code}};
  if (!options.license.empty()) query.emplace_back("license_id", find_license(session, options.license).id);
  const Listing listing = session.client().list("/refusals", "refusals", query, options.amount.most());
  remark_more(session, listing);
  if (session.output().json()) return session.output().print_json(listing.items);
  Table table({"TIME", "CODE", "ENDPOINT", "LICENSE ID", "CLIENT", "DETAILS", "REQUEST ID"});
  for (const json::value& item : listing.items) {
    const json::object& refusal = item.as_object();
    const json::object details = object_of(refusal, "details");
    table.add({{time_or(refusal, "at", "")},
               {text_of(refusal, "code"), Colour::red},
               {text_of(refusal, "endpoint")},
               {text_of(refusal, "license_id")},
               {text_of(refusal, "client_id")},
               {details.empty() ? "" : json::serialize(details)},
               {text_of(refusal, "request_id")}});
  }
  if (table.empty()) return session.output().remark("lictor: no refusals");
  session.output().print(table);
}

}  // namespace

void add_refusals_commands(CLI::App& app, Commands commands) {
  CLI::App& group =
      commands.add_group(app, "refusals", "Requests of clients that were refused", "lictor refusals list --limit 20");
  auto o = std::make_shared<RefusalOptions>();
  CLI::App& command = commands.add(group, "list", "List refusals, newest first",
                                   "lictor refusals list --license lic_0123456789abcdefghjkmnpqrs", o, list_refusals);
  add_text(command, "--request-id", o->request_id, "Only of this request", "ID");
  add_text(command, "--license", o->license, "Only of this license: its id (lic_…) or its key", "LICENSE");
  add_text(command, "--client", o->client, "Only of the client with this client_id", "CLIENT_ID");
  add_text(command, "--code", o->code, "Only for this reason, such as MAX_CLIENTS_REACHED", "CODE");
  add_amount(command, o->amount);
}

}  // namespace lictor::cli
