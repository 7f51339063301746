// lictor product create | list
#include <fmt/format.h>

#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

struct CreateOptions {
  std::string name, client_auth;
  bool require_signature = false;
  std::vector<std::string> releases;
};

void create(Session& session, const CreateOptions& options) {
  json::object body{{"name", options.name}};
  if (!options.client_auth.empty()) body["client_auth"] = options.client_auth;
  if (options.require_signature) body["require_signature"] = true;
  json::object releases;
  for (const std::string& text : options.releases) {
    const std::size_t equals = text.find('=');
    const std::string version = text.substr(0, equals);
    const auto time = parse_time(equals == std::string::npos ? "" : text.substr(equals + 1), session.now());
    if (version.empty() || !time || !*time)
      refuse_value("--release", text, {{}, "VERSION=DATE, such as 2.1.0=2026-05-01"});
    if (!releases.emplace(version, **time).second) {
      throw CommandError(ExitCode::usage, fmt::format("--release: {} is given twice", printable(version)));
    }
  }
  if (!releases.empty()) body["releases"] = std::move(releases);
  const json::object product = session.client().post("/products", body);
  if (session.output().json()) return session.output().print_json(product);
  session.output().print_line(
      fmt::format("product {} is there; now give it a policy: lictor policy create --product {} NAME …",
                  text_of(product, "name"), text_of(product, "name")));
}

struct NoOptions {};

void list(Session& session, const NoOptions&) {
  const json::array products = array_of(session.client().get("/products"), "products");
  if (session.output().json()) return session.output().print_json(products);
  Table table({"NAME", "PRODUCT ID", "CLIENT AUTH", "SIGNATURE", "RELEASES", "CREATED"});
  for (const json::value& item : products) {
    const json::object& product = item.as_object();
    table.add({{text_of(product, "name")},
               {text_of(product, "id")},
               {text_of(product, "client_auth")},
               {is_true(product, "require_signature") ? "required" : "optional"},
               {std::to_string(object_of(product, "releases").size())},
               {time_or(product, "created_at", "")}});
  }
  if (table.empty()) return session.output().remark("lictor: no products");
  session.output().print(table);
}

}  // namespace

void add_product_commands(CLI::App& app, Commands commands) {
  CLI::App& group = commands.add_group(app, "product", "Create and list products", "lictor product create my-app");
  auto o = std::make_shared<CreateOptions>();
  CLI::App& command =
      commands.add(group, "create", "Create a product",
                   "lictor product create my-app --client-auth api_key --release 1.0.0=2026-01-15", o, create);
  command.add_option("name", o->name, "Its name: small letters, digits, '.', '_' and '-'")->required();
  command.add_option("--client-auth", o->client_auth, "What clients show: api_key (default) or license, the key alone")
      ->check(CLI::IsMember({"api_key", "license"}));
  command.add_flag("--require-signature", o->require_signature, "Refuse requests of clients that are not signed");
  command.add_option("--release", o->releases, "When a version came out: VERSION=DATE; may be repeated")
      ->allow_extra_args(false);
  commands.add(group, "list", "List the products", "lictor product list", std::make_shared<NoOptions>(), list);
}

}  // namespace lictor::cli
