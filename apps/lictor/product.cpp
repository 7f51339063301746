// lictor product create | list | show | change | delete
#include <fmt/format.h>

#include <boost/json.hpp>

#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

json::object read_releases(const std::vector<std::string>& texts, base::UnixSeconds now) {
  json::object releases;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::string version = text.substr(0, equals);
    const auto time = parse_time(equals == std::string::npos ? "" : text.substr(equals + 1), now);
    if (version.empty() || !time || !*time)
      refuse_value("--release", text, {{}, "VERSION=DATE, such as 2.1.0=2026-05-01"});
    if (!releases.emplace(version, **time).second) {
      throw CommandError(ExitCode::usage, fmt::format("--release: {} is given twice", printable(version)));
    }
  }
  return releases;
}

// A name is a part of the path.
const std::string& checked_name(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  if (name.empty() || name.find_first_not_of(kAllowed) != std::string::npos || name == "." || name == "..") {
    throw CommandError(ExitCode::usage, fmt::format("{}: not the name of a product; one has small letters, digits, "
                                                    "'.', '_' and '-'",
                                                    printable(name)));
  }
  return name;
}

// ---- create ----

struct CreateOptions {
  std::string name, client_auth;
  bool require_signature = false;
  std::vector<std::string> releases;
};

void create(Session& session, const CreateOptions& options) {
  json::object body{{"name", options.name}};
  if (!options.client_auth.empty()) body["client_auth"] = options.client_auth;
  if (options.require_signature) body["require_signature"] = true;
  json::object releases = read_releases(options.releases, session.now());
  if (!releases.empty()) body["releases"] = std::move(releases);
  const json::object product = session.client().post("/products", body);
  if (session.output().json()) return session.output().print_json(product);
  session.output().print_line(
      fmt::format("product {} is there; now give it a policy: lictor policy create --product {} NAME …",
                  text_of(product, "name"), text_of(product, "name")));
}

// ---- list, show ----

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

struct OneProduct : ChangeOptions {
  std::string name;
};

void print_product(Session& session, const json::object& product) {
  if (session.output().json()) return session.output().print_json(product);
  Table table;
  const auto add = [&table](const char* label, std::string text) {
    table.add({{label, Colour::dim}, {std::move(text)}});
  };
  add("name", text_of(product, "name"));
  add("product id", text_of(product, "id"));
  add("client auth", text_of(product, "client_auth"));
  add("signature", is_true(product, "require_signature") ? "required" : "optional");
  add("created", time_or(product, "created_at", ""));
  for (const auto& [version, time] : object_of(product, "releases")) {
    add("release", fmt::format("{} of {}", std::string_view(version),
                               time.is_int64() ? format_time(time.get_int64()) : "an unknown day"));
  }
  session.output().print(table);
}

void show(Session& session, const OneProduct& options) {
  print_product(session, with_etag(session, session.client().get("/products/" + checked_name(options.name))));
}

// ---- change, delete ----

struct ProductChange : OneProduct {
  std::string client_auth, require_signature;
  std::vector<std::string> releases, removed_releases;
};

void change(Session& session, const ProductChange& options) {
  const std::string path = "/products/" + checked_name(options.name);
  json::object body;
  if (!options.client_auth.empty()) body["client_auth"] = options.client_auth;
  if (!options.require_signature.empty()) body["require_signature"] = options.require_signature == "yes";
  json::object added = read_releases(options.releases, session.now());
  std::string if_match = options.if_match;
  if (!added.empty() || !options.removed_releases.empty()) {
    // The server takes all releases or none: these go beside those that are there, if nobody changes them meanwhile.
    json::object releases = object_of(session.client().get(path), "releases");
    if (if_match.empty()) if_match = session.client().etag();
    for (const std::string& version : options.removed_releases) {
      if (releases.erase(version) > 0) continue;
      throw CommandError(ExitCode::refused,
                         fmt::format("--remove-release {}: {} has no such release", printable(version), options.name));
    }
    for (auto& [version, time] : added) releases[version] = time;
    body["releases"] = std::move(releases);
  }
  if (body.empty()) {
    throw CommandError(ExitCode::usage,
                       "nothing to change: give --client-auth, --require-signature, --release or --remove-release");
  }
  print_product(session, with_etag(session, session.client().patch(path, body, if_match)));
}

void remove(Session& session, const OneProduct& options) {
  const std::string path = "/products/" + checked_name(options.name);
  confirm(options, fmt::format("Delete product {} for good?", options.name));
  const json::object answer = session.client().remove(path, options.if_match);
  if (session.output().json()) return session.output().print_json(answer);
  session.output().print_line(fmt::format("product {} is deleted", options.name));
}

// ---- the grammar ----

const Choices kClientAuth = {"api_key", "license"};

void add_create(CLI::App& group, Commands commands) {
  auto o = std::make_shared<CreateOptions>();
  CLI::App& command =
      commands.add(group, "create", "Create a product",
                   "lictor product create my-app --client-auth api_key --release 1.0.0=2026-01-15", o, create);
  add_text(command, "name", o->name, "Its name: small letters, digits, '.', '_' and '-'", "")->required();
  add_choice(command, "--client-auth", o->client_auth,
             "What clients show: an API key (default) or the license key alone", kClientAuth);
  command.add_flag("--require-signature", o->require_signature, "Refuse requests of clients that are not signed");
  add_repeated(command, "--release", o->releases, "When a version came out", "VERSION=DATE");
}

void add_change(CLI::App& group, Commands commands) {
  auto o = std::make_shared<ProductChange>();
  CLI::App& command = commands.add(group, "change", "Change a product",
                                   "lictor product change my-app --release 1.1.0=2026-06-01", o, change);
  add_text(command, "name", o->name, "Its name", "")->required();
  add_choice(command, "--client-auth", o->client_auth, "What clients show: an API key or the license key alone",
             kClientAuth);
  add_choice(command, "--require-signature", o->require_signature, "Whether requests of clients must be signed",
             {"yes", "no"});
  add_repeated(command, "--release", o->releases, "Add a version, or change when it came out", "VERSION=DATE");
  add_repeated(command, "--remove-release", o->removed_releases, "Take a version away", "VERSION");
  add_if_match(command, *o);
}

}  // namespace

void add_product_commands(CLI::App& app, Commands commands) {
  CLI::App& group =
      commands.add_group(app, "product", "Create, list and change products", "lictor product create my-app");
  add_create(group, commands);
  commands.add(group, "list", "List the products", "lictor product list", std::make_shared<NoOptions>(), list);
  auto s = std::make_shared<OneProduct>();
  CLI::App& showing = commands.add(group, "show", "Show a product", "lictor product show demo", s, show);
  add_text(showing, "name", s->name, "Its name", "")->required();
  add_change(group, commands);
  auto d = std::make_shared<OneProduct>();
  CLI::App& deleting = commands.add(group, "delete", "Delete a product that has no policies",
                                    "lictor product delete my-app --yes", d, remove);
  add_text(deleting, "name", d->name, "Its name", "")->required();
  add_if_match(deleting, *d);
  add_yes(deleting, *d);
}

}  // namespace lictor::cli
