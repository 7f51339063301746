#include "service/policy_document.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <stdexcept>

#include "base/ascii.h"
#include "base/encoding.h"

namespace lictor::service {
namespace {

namespace json = boost::json;
using base::Problem;
using licensing::Terms;

constexpr std::int64_t kMaxSeconds = 100LL * 366 * 86400;
constexpr std::int64_t kMaxClients = 200'000'000;
constexpr std::size_t kMaxItems = 256;

using Fault = std::optional<std::string>;  // what is allowed, when the value is not

template <class Enum>
struct Choice {
  std::string_view name;
  Enum value;
};
template <class Enum>
Choice(std::string_view, Enum) -> Choice<Enum>;  // clang 14 does not deduce it by itself
constexpr std::array kTypes{Choice{"perpetual", licensing::LicenseType::perpetual},
                            Choice{"subscription", licensing::LicenseType::subscription},
                            Choice{"trial", licensing::LicenseType::trial},
                            Choice{"metered", licensing::LicenseType::metered}};
constexpr std::array kStarts{Choice{"on_issue", licensing::DurationStart::on_issue},
                             Choice{"on_first_activation", licensing::DurationStart::on_first_activation}};
constexpr std::array kExpiryModes{Choice{"restrict", licensing::ExpiryMode::restrict},
                                  Choice{"maintain", licensing::ExpiryMode::maintain},
                                  Choice{"allow", licensing::ExpiryMode::allow}};
constexpr std::array kBindings{Choice{"none", licensing::Binding::none}, Choice{"strict", licensing::Binding::strict},
                               Choice{"normal", licensing::Binding::normal},
                               Choice{"loose", licensing::Binding::loose}};
constexpr std::array kPeriods{Choice{"total", licensing::QuotaPeriod::total},
                              Choice{"hour", licensing::QuotaPeriod::hour}, Choice{"day", licensing::QuotaPeriod::day},
                              Choice{"month", licensing::QuotaPeriod::month},
                              Choice{"year", licensing::QuotaPeriod::year}};

template <class Enum, std::size_t N>
Fault read_choice(const json::value& value, const std::array<Choice<Enum>, N>& choices, Enum& out) {
  std::string allowed;
  for (const auto& choice : choices) {
    if (value.is_string() && std::string_view(value.get_string()) == choice.name)
      return out = choice.value, std::nullopt;
    allowed += (allowed.empty() ? "'" : ", '") + std::string(choice.name) + "'";
  }
  return "must be one of " + allowed;
}

Fault read_integer(const json::value& value, std::int64_t least, std::int64_t most, std::int64_t& out) {
  if (value.is_int64() && value.get_int64() >= least && value.get_int64() <= most)
    return out = value.get_int64(), std::nullopt;
  return "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most);
}

Fault read_optional(const json::value& value, std::int64_t most, std::optional<std::int64_t>& out) {
  if (value.is_null()) return out.reset(), std::nullopt;
  std::int64_t number = 0;
  if (const Fault fault = read_integer(value, 0, most, number)) return *fault + ", or null";
  out = number;
  return std::nullopt;
}

Fault read_seconds(const json::value& value, std::int64_t& out) { return read_integer(value, 0, kMaxSeconds, out); }

Fault read_max_clients(const json::value& value, std::uint32_t& out) {
  if (value.is_null()) return out = licensing::kUnlimited, std::nullopt;
  std::int64_t number = 0;
  if (const Fault fault = read_integer(value, 1, kMaxClients, number)) return *fault + ", or null for no limit";
  out = static_cast<std::uint32_t>(number);
  return std::nullopt;
}

Fault read_overage(const json::value& value, licensing::Overage& out) {
  if (value == "none") return out = {}, std::nullopt;
  if (value == "unlimited") return out = {licensing::OverageKind::unlimited, 0}, std::nullopt;
  std::int64_t percent = 0;
  const json::object* object = value.if_object();
  const bool one = object != nullptr && object->size() == 1 && object->contains("percent");
  if (!one || read_integer(object->at("percent"), 1, 1000, percent)) {
    return R"(must be "none", "unlimited" or {"percent": 1 to 1000})";
  }
  out = {licensing::OverageKind::percent, static_cast<std::uint32_t>(percent)};
  return std::nullopt;
}

Fault read_time(const json::value& value, base::UnixSeconds& out) {
  if (value.is_null()) return out = licensing::kNever, std::nullopt;
  if (const Fault fault = read_integer(value, 0, 253402300799, out))
    return "must be Unix seconds (0 to 253402300799) or null";
  return std::nullopt;
}

Fault read_feature(const json::value& value, licensing::Feature& feature) {
  if (value.is_null()) return std::nullopt;
  if (!value.is_object()) return R"(must be null or {"limit":…,"expires_at":…})";
  for (const auto& member : value.get_object()) {
    Fault fault = "has no member '" + std::string(member.key()) + "'; allowed: limit, expires_at";
    if (member.key() == "limit") fault = read_optional(member.value(), licensing::kNever, feature.limit);
    if (member.key() == "expires_at") fault = read_time(member.value(), feature.expires_at);
    if (fault) return fault;
  }
  return std::nullopt;
}

Fault read_quota(const json::value& value, licensing::Quota& quota) {
  if (!value.is_object()) return R"(must be {"amount":…,"period":…})";
  for (const auto& member : value.get_object()) {
    Fault fault = "has no member '" + std::string(member.key()) + "'; allowed: amount, period";
    if (member.key() == "amount") fault = read_optional(member.value(), licensing::kNever, quota.amount);
    if (member.key() == "period") fault = read_choice(member.value(), kPeriods, quota.period);
    if (fault) return fault;
  }
  return std::nullopt;
}

// {name → item}, sorted by name.
template <class Item, class ReadItem>
Fault read_items(const json::value& value, std::string Item::*name, std::vector<Item>& out, ReadItem read_item) {
  if (!value.is_object() || value.get_object().size() > kMaxItems) {
    return "must be an object of at most " + std::to_string(kMaxItems) + " members";
  }
  std::vector<Item> items;
  for (const auto& member : value.get_object()) {
    if (!is_item_name(member.key()))
      return "has the name '" + std::string(member.key()) + "'; allowed: 1-64 of [A-Za-z0-9_.:-]";
    Item item;
    item.*name = std::string(member.key());
    if (const Fault fault = read_item(member.value(), item)) return "'" + std::string(member.key()) + "' " + *fault;
    items.push_back(std::move(item));
  }
  std::ranges::sort(items, {}, name);
  out = std::move(items);
  return std::nullopt;
}

Fault read_range(const json::value& value, licensing::VersionRange& out) {
  if (value.is_null()) return out = {}, std::nullopt;
  if (!value.is_string()) return "must be a text like '>=2.0 <3.0' or null";
  auto range = licensing::VersionRange::parse(std::string_view(value.get_string()));
  if (!range) return range.problem().message;
  out = *std::move(range);
  return std::nullopt;
}

Fault read_bool(const json::value& value, bool& out) {
  if (!value.is_bool()) return "must be true or false";
  out = value.get_bool();
  return std::nullopt;
}

Fault read_max_transfers(const json::value& value, std::optional<std::uint32_t>& out) {
  std::optional<std::int64_t> number;
  if (const Fault fault = read_optional(value, kMaxClients, number)) return fault;
  out.reset();
  if (number) out = static_cast<std::uint32_t>(*number);
  return std::nullopt;
}

struct TermsMember {
  std::string_view name;
  Fault (*read)(const json::value&, Terms&);
};
constexpr TermsMember kTermsMembers[] = {
    {"type", [](const json::value& v, Terms& t) { return read_choice(v, kTypes, t.type); }},
    {"duration", [](const json::value& v, Terms& t) { return read_optional(v, kMaxSeconds, t.duration); }},
    {"starts", [](const json::value& v, Terms& t) { return read_choice(v, kStarts, t.starts); }},
    {"grace", [](const json::value& v, Terms& t) { return read_seconds(v, t.grace); }},
    {"expiry_mode", [](const json::value& v, Terms& t) { return read_choice(v, kExpiryModes, t.expiry_mode); }},
    {"max_clients", [](const json::value& v, Terms& t) { return read_max_clients(v, t.max_clients); }},
    {"overage", [](const json::value& v, Terms& t) { return read_overage(v, t.overage); }},
    {"binding", [](const json::value& v, Terms& t) { return read_choice(v, kBindings, t.binding); }},
    {"lease", [](const json::value& v, Terms& t) { return read_seconds(v, t.lease); }},
    {"borrow_max", [](const json::value& v, Terms& t) { return read_seconds(v, t.borrow_max); }},
    {"check_in", [](const json::value& v, Terms& t) { return read_seconds(v, t.check_in); }},
    {"max_transfers", [](const json::value& v, Terms& t) { return read_max_transfers(v, t.max_transfers); }},
    {"transfer_period",
     [](const json::value& v, Terms& t) { return read_integer(v, 1, kMaxSeconds, t.transfer_period); }},
    {"version_range", [](const json::value& v, Terms& t) { return read_range(v, t.versions); }},
    {"features",
     [](const json::value& v, Terms& t) { return read_items(v, &licensing::Feature::name, t.features, read_feature); }},
    {"quotas",
     [](const json::value& v, Terms& t) { return read_items(v, &licensing::Quota::metric, t.quotas, read_quota); }},
    {"offline", [](const json::value& v, Terms& t) { return read_bool(v, t.offline); }},
};

json::object parse_stored(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !value.is_object()) throw std::runtime_error("a stored document is no JSON object: " + error.message());
  return std::move(value.get_object());
}

bool matches(std::string_view text, std::size_t most, std::string_view punctuation, bool upper) noexcept {
  const auto is_plain = [&](char c) { return base::is_lower(c) || base::is_digit(c) || (upper && base::is_upper(c)); };
  return !text.empty() && text.size() <= most && is_plain(text.front()) && std::ranges::all_of(text, [&](char c) {
    return is_plain(c) || punctuation.find(c) != std::string_view::npos;
  });
}

}  // namespace

bool is_resource_name(std::string_view name) noexcept { return matches(name, 63, "._-", false); }
bool is_item_name(std::string_view name) noexcept { return matches(name, 64, "_.:-", true); }

std::optional<Problem> apply_terms(const json::object& document, std::string_view where, Terms& terms) {
  for (const auto& member : document) {
    const std::string field = std::string(where) + "." + std::string(member.key());
    const auto* known = std::ranges::find(kTermsMembers, std::string_view(member.key()), &TermsMember::name);
    if (known == std::end(kTermsMembers))
      return Problem{field, "is no member of the terms; allowed: " + term_names(), true};
    if (const Fault fault = known->read(member.value(), terms)) return Problem{field, *fault};
  }
  return std::nullopt;
}

bool is_term(std::string_view name) noexcept {
  return std::ranges::find(kTermsMembers, name, &TermsMember::name) != std::end(kTermsMembers);
}

std::string term_names() {
  std::string names;
  for (const TermsMember& member : kTermsMembers) names.append(names.empty() ? "" : ", ").append(member.name);
  return names;
}

std::vector<std::string> warn_of_terms(const Terms& terms) {
  std::vector<std::string> warnings;
  if (terms.type == licensing::LicenseType::trial && !terms.duration)
    warnings.emplace_back("a trial without a duration never expires");
  if (terms.type == licensing::LicenseType::subscription && !terms.duration)
    warnings.emplace_back("a subscription without a duration expires only where a license has its own expires_at");
  if (terms.borrow_max > 0) warnings.emplace_back("borrow_max has no effect yet: leases can't be borrowed");
  if (terms.offline) warnings.emplace_back("offline has no effect yet: certificates for offline use aren't issued");
  if (terms.type != licensing::LicenseType::metered && !terms.quotas.empty())
    warnings.emplace_back(
        "only the metrics with a quota can be used: other metrics are counted on metered licenses only");
  return warnings;
}

void apply_stored_terms(std::string_view text, Terms& terms) {
  if (text.empty()) return;
  if (const auto problem = apply_terms(parse_stored(text), "terms", terms)) {
    throw std::runtime_error("stored terms: " + problem->field + " " + problem->message);
  }
}

std::optional<Problem> apply_settings(const json::object& document, ProductSettings& settings) {
  constexpr std::array kClientAuth{Choice{"api_key", false}, Choice{"license", true}};
  for (const auto& member : document) {
    const std::string field(member.key());
    Fault fault = "is no member of a product";
    if (field == "client_auth") fault = read_choice(member.value(), kClientAuth, settings.license_auth);
    if (field == "require_signature") fault = read_bool(member.value(), settings.require_signature);
    if (field == "releases") {
      fault = member.value().is_object() ? Fault{} : Fault{"must be an object {version: Unix seconds}"};
      if (fault) return Problem{field, *fault};
      for (const auto& release : member.value().get_object()) {
        const auto version = licensing::parse_version(release.key());
        base::UnixSeconds time = 0;
        if (!version) return Problem{field, "'" + std::string(release.key()) + "' is no version"};
        if (const Fault bad = read_integer(release.value(), 0, 253402300799, time))
          return Problem{field, "'" + std::string(release.key()) + "' " + *bad};
        settings.releases.push_back({*version, time});
        settings.release_names.emplace_back(release.key(), time);
      }
    }
    const bool known = field == "client_auth" || field == "require_signature" || field == "releases";
    if (fault) return Problem{field, *fault, !known};
  }
  return std::nullopt;
}

ProductSettings parse_stored_settings(std::string_view text) {
  ProductSettings settings;
  if (text.empty()) return settings;
  if (const auto problem = apply_settings(parse_stored(text), settings)) {
    throw std::runtime_error("stored product settings: " + problem->field + " " + problem->message);
  }
  return settings;
}

std::string_view name_of(licensing::LicenseType type) noexcept {
  return std::ranges::find(kTypes, type, &Choice<licensing::LicenseType>::value)->name;
}

void append_features(std::string& out, const Terms& terms, base::UnixSeconds now) {
  const auto append_each = [&](auto&& append) {
    bool first = true;
    for (const auto& feature : terms.features) {
      if (now >= feature.expires_at) continue;
      if (!first) out += ',';
      first = false;
      append(feature);
    }
  };
  out += "\"features\":[";
  append_each([&](const licensing::Feature& feature) { base::append_json_string(out, feature.name); });
  out += "],\"entitlements\":{";
  append_each([&](const licensing::Feature& feature) {
    base::append_json_string(out, feature.name);
    out += ":{\"limit\":";
    feature.limit ? base::append_number(out, *feature.limit) : void(out += "null");
    out += ",\"expires_at\":";
    feature.expires_at == licensing::kNever ? void(out += "null") : base::append_number(out, feature.expires_at);
    out += '}';
  });
  out += '}';
}

}  // namespace lictor::service
