// lictor why: the latest refusals of a request, a license or a client, in plain words.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <map>

#include "base/id.h"
#include "licensing/license_key.h"
#include "lictor/error.h"
#include "lictor/explain.h"
#include "lictor/json_fields.h"
#include "lictor/licenses.h"
#include "lictor/session.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

struct WhyOptions {
  std::vector<std::string> names;
  Amount amount{3, false};
};

// Whose refusals are asked for.
struct Subject {
  Query query;
  std::string license;  // its id, when one was named
  std::string text;     // for people
};

Listing find_refusals(Session& session, const Query& query, const Amount& amount) {
  return session.client().list("/refusals", "refusals", query, amount.most());
}

Subject license_subject(Session& session, const std::string& name) {
  const std::string id = find_license(session, name).id;
  return {{{"license_id", id}}, id, "license " + id};
}

Subject client_subject(const std::string& license, const std::string& client) {
  return {{{"license_id", license}, {"client_id", client}}, license, "client " + client};
}

// A name that says by its form what it is of. A request id may be any text its caller chose, so that is tried last.
Subject find_subject(Session& session, const WhyOptions& options) {
  const std::string& name = options.names.front();
  if (options.names.size() == 2) return client_subject(find_license(session, name).id, options.names.back());
  if (name.starts_with("lic_")) return license_subject(session, name);
  if (base::parse_id(base::kClientPrefix, name)) {
    const json::object client = session.client().get("/clients/" + name);
    return client_subject(text_of(client, "license_id"), text_of(client, "client_id"));
  }
  if (!name.starts_with("req_")) {
    const auto key = licensing::normalize_license_key(name);
    if (key && licensing::is_generated_license_key(key->view())) return license_subject(session, name);
  }
  return {{{"request_id", name}}, {}, "request " + name};
}

// A word that could be an imported license key, or the client_id of some license.
Listing find_otherwise(Session& session, const std::string& name, const Amount& amount, Subject& subject) {
  try {
    subject = license_subject(session, name);
    return find_refusals(session, subject.query, amount);
  } catch (const RefusedError&) {
    subject = {{{"client_id", name}}, {}, "client " + name};
    return find_refusals(session, subject.query, amount);
  }
}

// ---- what is around a refusal ----

class Surroundings {
 public:
  explicit Surroundings(Session& session) : session_(session) {}

  const Circumstances& of(const json::object& refusal) {
    const std::string license = text_of(refusal, "license_id");
    auto& around = known_[license];
    around.now = session_.now();
    if (license.empty()) return around;
    if (around.license.empty()) around.license = get("/licenses/" + license, {});
    if (around.seats.empty() && wants_seats(text_of(refusal, "code"))) {
      const json::array all = array_of(get("/seats", {{"license_id", license}, {"clients", "10"}}), "licenses");
      if (!all.empty()) around.seats = all.front().as_object();
    }
    return around;
  }

 private:
  // Empty when it is there no more: the refusal is explained without it.
  json::object get(const std::string& path, const Query& query) {
    try {
      return session_.client().get(path, query);
    } catch (const RefusedError&) {
      return {};
    }
  }
  Session& session_;
  std::map<std::string, Circumstances> known_;
};

// ---- output ----

void print_refusal(Session& session, const json::object& refusal, const Circumstances& around) {
  const Explanation explanation = explain(refusal, around);
  Table table;
  const auto add = [&table](const char* label, const std::string& text) {
    if (!text.empty()) table.add({{label, Colour::dim}, {text}});
  };
  const auto add_all = [&add](const char* label, const std::vector<std::string>& texts) {
    for (std::size_t i = 0; i < texts.size(); ++i) add(i == 0 ? label : "", texts[i]);
  };
  table.add({{"refused", Colour::dim}, {text_of(refusal, "code"), Colour::red}});
  add("what", explanation.what);
  add("when", fmt::format("{}, by {}", time_or(refusal, "at", "?"), text_of(refusal, "endpoint")));
  std::string whom = text_of(refusal, "license_id");
  if (const std::string holder = text_of(around.license, "holder"); !holder.empty()) whom += " of " + holder;
  if (const std::string product = text_of(around.license, "product"); !product.empty())
    whom += fmt::format(" ({}/{})", product, text_of(around.license, "policy"));
  add("license", whom);
  add("client", text_of(refusal, "client_id"));
  add("request", text_of(refusal, "request_id"));
  add_all("why", explanation.why);
  add_all("to do", explanation.todo);
  session.output().print(table);
}

json::object explained_json(const json::object& refusal, const Circumstances& around) {
  const Explanation explanation = explain(refusal, around);
  json::object out = refusal;
  out["explanation"] = json::object{{"what", explanation.what},
                                    {"why", json::array(explanation.why.begin(), explanation.why.end())},
                                    {"todo", json::array(explanation.todo.begin(), explanation.todo.end())}};
  return out;
}

void say_none(Session& session, const Subject& subject) {
  if (session.output().json()) return session.output().print_json(json::array());
  if (subject.license.empty()) {
    throw CommandError(ExitCode::refused, fmt::format("no refusal of {} is recorded", printable(subject.text)),
                       "give the request_id of an answer, a license, or a license and a client_id; "
                       "lictor refusals list shows the latest of all");
  }
  session.output().remark(
      fmt::format("lictor: no refusal of {} is recorded; this is how the license is", subject.text));
  print_license(session, session.client().get("/licenses/" + subject.license));
}

void why(Session& session, const WhyOptions& options) {
  Subject subject = find_subject(session, options);
  Listing listing = find_refusals(session, subject.query, options.amount);
  if (listing.items.empty() && subject.query.front().first == "request_id" &&
      !options.names.front().starts_with("req_"))
    listing = find_otherwise(session, options.names.front(), options.amount, subject);
  if (listing.items.empty()) return say_none(session, subject);
  Surroundings surroundings(session);
  json::array explained;
  bool first = true;
  for (const json::value& item : listing.items) {
    const json::object& refusal = item.as_object();
    if (session.output().json()) {
      explained.push_back(explained_json(refusal, surroundings.of(refusal)));
      continue;
    }
    if (!first) session.output().print_line("");
    first = false;
    print_refusal(session, refusal, surroundings.of(refusal));
  }
  if (session.output().json()) return session.output().print_json(explained);
  remark_more(session, listing);
}

}  // namespace

void add_why_command(CLI::App& app, Commands commands) {
  auto o = std::make_shared<WhyOptions>();
  CLI::App& command = commands.add(app, "why", "Explain the latest refusals of a request, a license or a client",
                                   "lictor why lic_0123456789abcdefghjkmnpqrs my-machine", o, why);
  command
      .add_option("what", o->names,
                  "A request id, license id or key; also a client (cli_…), or a license and a client_id")
      ->required()
      ->expected(1, 2)
      ->type_name("");
  add_amount(command, o->amount);
}

}  // namespace lictor::cli
