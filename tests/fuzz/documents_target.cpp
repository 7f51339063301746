// Policy terms, overrides and product settings: the first byte chooses which. What is refused names its member; what is
// taken keeps its bounds, changes nothing when it is applied again, and is taken as well when it comes from the store,
// member by member too.
#include <algorithm>
#include <boost/json.hpp>

#include "api/json_document.h"
#include "base/encoding.h"
#include "fuzz/targets.h"
#include "service/policy_document.h"

namespace lictor::fuzz {
namespace {

namespace json = boost::json;
using licensing::Terms;

std::string show(const std::optional<std::int64_t>& number) { return number ? std::to_string(*number) : "-"; }

std::string show(const licensing::VersionRange& range) {
  std::string text = range.is_any() ? "any" : "";
  for (std::uint32_t major = 0; major < 8; ++major) {
    for (std::uint32_t minor = 0; minor < 8; ++minor)
      text += range.covers({{major, minor, 0, 0}, true})    ? '1'
              : range.covers({{major, minor, 0, 0}, false}) ? '2'
                                                            : '0';
  }
  return text;
}

std::string show(const Terms& t) {
  std::string text;
  for (const std::int64_t number : {std::int64_t{static_cast<int>(t.type)}, std::int64_t{static_cast<int>(t.starts)},
                                    t.grace, std::int64_t{static_cast<int>(t.expiry_mode)}, std::int64_t{t.max_clients},
                                    std::int64_t{static_cast<int>(t.overage.kind)}, std::int64_t{t.overage.percent},
                                    std::int64_t{static_cast<int>(t.binding)}, t.lease, t.borrow_max, t.check_in,
                                    t.transfer_period, std::int64_t{t.offline}})
    text += std::to_string(number) + ' ';
  text += show(t.duration) + ' ' + (t.max_transfers ? std::to_string(*t.max_transfers) : "-") + ' ' + show(t.versions);
  for (const auto& f : t.features) text += ' ' + f.name + '=' + show(f.limit) + '/' + std::to_string(f.expires_at);
  for (const auto& q : t.quotas)
    text += ' ' + q.metric + '=' + show(q.amount) + '/' + std::to_string(static_cast<int>(q.period));
  return text;
}

void check_bounds(const Terms& terms) {
  require(terms.max_clients >= 1, "a client at least");
  require(licensing::allowed_seats(terms) >= terms.max_clients, "an overage takes no seat away");
  for (const auto seconds : {terms.grace, terms.lease, terms.borrow_max, terms.check_in, terms.duration.value_or(0)})
    require(seconds >= 0 && seconds <= 100LL * 366 * 86400, "no endless or negative time");
  require(terms.transfer_period >= 1, "a period to count transfers in");
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  require(std::ranges::is_sorted(terms.features, by_name), "features in order");
  for (const auto& feature : terms.features) require(licensing::find_feature(terms, feature.name) == &feature, "found");
  for (const auto& quota : terms.quotas) require(licensing::find_quota(terms, quota.metric) == &quota, "found");
  std::string features = "{";
  service::append_features(features, terms, 1'700'000'000);
  require(static_cast<bool>(api::parse_document(features + "}")), "features as JSON");
}

void check_problem(const base::Problem& problem) {
  require((!problem.field.empty() || problem.unknown_field) && !problem.message.empty(),
          "a problem names the member and what is allowed");
}

void run_terms(const json::object& document) {
  Terms terms;
  const auto problem = service::apply_terms(document, "terms", terms);
  check_bounds(terms);  // also when a later member was refused
  if (problem) {
    check_problem(*problem);
    return require(problem->field.starts_with("terms."), "within the terms");
  }
  const std::string shown = show(terms);
  require(!service::apply_terms(document, "terms", terms), "taken again");
  require_equal(show(terms), shown, "and nothing changes");
  Terms stored;
  service::apply_stored_terms(json::serialize(document), stored);
  require_equal(show(stored), shown, "from the store the same");
  Terms single;
  for (const auto& member : document)
    require(!service::apply_terms(json::object{{member.key(), member.value()}}, "terms", single), "each by itself");
  require_equal(show(single), shown, "member by member the same");
}

void run_settings(const json::object& document) {
  service::ProductSettings settings;
  if (const auto problem = service::apply_settings(document, settings)) return check_problem(*problem);
  require(settings.releases.size() == settings.release_names.size(), "each release has its name");
  for (std::size_t i = 0; i < settings.releases.size(); ++i) {
    const auto version = licensing::parse_version(settings.release_names[i].first);
    require(version && *version == settings.releases[i].version, "a release's name is its version");
    require(settings.release_names[i].second == settings.releases[i].released_at, "and has its time");
  }
  const auto stored = service::parse_stored_settings(json::serialize(document));
  require(stored.license_auth == settings.license_auth && stored.require_signature == settings.require_signature &&
              stored.release_names == settings.release_names,
          "from the store the same");
}

}  // namespace

void documents(std::string_view input) {
  Input in(input);
  const bool settings = in.byte() % 2 != 0;
  const auto document = api::parse_document(in.rest());
  if (!document) return require(!document.problem().message.empty(), "a problem says what is wrong");
  settings ? run_settings(*document) : run_terms(*document);
}

Seeds document_seeds() {
  Seeds seeds;
  for (const std::string_view text :
       {R"({"type":"subscription","duration":31536000,"starts":"on_first_activation","grace":86400})",
        R"({"max_clients":5,"overage":{"percent":20},"binding":"normal","lease":3600,"borrow_max":86400})",
        R"({"max_clients":null,"overage":"unlimited","check_in":604800,"max_transfers":3,"transfer_period":2592000})",
        R"({"version_range":">=2.0 <3.0","expiry_mode":"maintain","offline":true,"type":"trial"})",
        R"({"features":{"basic":null,"pro":{"limit":5,"expires_at":1900000000}},"binding":"strict"})",
        R"({"quotas":{"api_calls":{"amount":1000,"period":"day"},"x":{"amount":null}},"type":"metered"})",
        R"({"max_clients":0})", R"({"status":"active"})", R"({"features":{"a b":null}})",
        R"({"overage":{"percent":1001}})", R"({"max_clients":200000000,"overage":{"percent":1000}})", "{}"})
    seeds.push_back('\0' + std::string(text));
  for (const std::string_view text :
       {R"({"client_auth":"license","require_signature":true})", R"({"releases":{"1.0":1600000000,"v2.1-rc1":0}})",
        R"({"client_auth":"none"})", R"({"releases":{"x":1}})", R"({"name":"x"})"})
    seeds.push_back('\1' + std::string(text));
  return seeds;
}

Words document_dictionary() {
  return {"\"type\":",
          "\"duration\":",
          "\"starts\":",
          "\"grace\":",
          "\"expiry_mode\":",
          "\"max_clients\":",
          "\"overage\":",
          "\"binding\":",
          "\"lease\":",
          "\"borrow_max\":",
          "\"check_in\":",
          "\"max_transfers\":",
          "\"transfer_period\":",
          "\"version_range\":",
          "\"features\":",
          "\"quotas\":",
          "\"offline\":",
          "\"percent\":",
          "\"limit\":",
          "\"expires_at\":",
          "\"amount\":",
          "\"period\":",
          "\"client_auth\":",
          "\"require_signature\":",
          "\"releases\":",
          "\"perpetual\"",
          "\"subscription\"",
          "\"trial\"",
          "\"metered\"",
          "\"on_issue\"",
          "\"on_first_activation\"",
          "\"restrict\"",
          "\"maintain\"",
          "\"allow\"",
          "\"none\"",
          "\"unlimited\"",
          "\"strict\"",
          "\"normal\"",
          "\"loose\"",
          "\"total\"",
          "\"hour\"",
          "\"day\"",
          "\"month\"",
          "\"year\"",
          "\"license\"",
          "\"api_key\"",
          "null",
          ">=1.2 <3",
          "9223372036854775807",
          "3162240000",
          "200000000"};
}

}  // namespace lictor::fuzz
