#include "lictor/explain.h"

#include <algorithm>
#include <boost/json.hpp>

#include "lictor/telling.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kHoldersTold = 5;

// `'my machine'`: as a shell takes it.
std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:@%+/,";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out + "'";
}

void tell_key_invalid(Telling& t) {
  t.why("the license key or id in the request belongs to no license of this server");
  t.todo("look for typing errors: lictor license find KEY");
  t.todo(
      "see that the client talks to the right server, and that the license was not replaced by a transfer with "
      "--new-key");
}

void tell_reason_of_change(Telling& t, std::string_view action) {
  const std::string status = text_of(t.around().license, "status");
  if (!status.empty()) t.why("the license is {} now", status);
  t.todo("who did it, when and why: lictor audit list --subject {} --action {}", t.license(), action);
}

void tell_revoked(Telling& t) {
  t.why("a revoked license stays refused for good");
  tell_reason_of_change(t, "license.revoked");
  t.todo("issue another one: lictor license create --product PRODUCT --policy POLICY");
}

void tell_suspended(Telling& t) {
  t.why("an administrator suspended the license");
  tell_reason_of_change(t, "license.suspended");
  t.todo("when the reason is gone: lictor license resume {}", t.license());
}

void tell_not_yet_valid(Telling& t) {
  t.why("the license begins at {}", t.time("starts_at"));
  t.todo("wait, or let it begin earlier: lictor license change {} --starts-at TIME", t.license());
}

void tell_expired(Telling& t) {
  t.why("the license expired at {}", t.time("expired_at"));
  const auto end = number_of(t.around().license, "expires_at");
  if (end && *end > t.around().now) t.why("it was renewed since: it now expires at {}", format_time(*end));
  if (!t.around().license.empty() && !end) t.why("it was changed since: it now never expires");
  t.todo("give it one more duration: lictor license renew {}", t.license());
  t.todo("or some time: lictor license extend {} +30d", t.license());
}

void tell_check_in_overdue(Telling& t) {
  t.why("the client was to be seen again by {}, and was not", t.time("check_in_due_at"));
  t.todo("let the client activate again; nothing is to be done here");
  t.todo("if clients are offline for longer: lictor license change {} --set check_in=SECONDS", t.license());
}

void tell_not_activated(Telling& t) {
  t.why("client {} holds no seat of the license: it never activated, gave its seat back, or the seat was freed",
        t.client());
  t.todo("let the client activate");
  t.todo("what became of its seat: lictor audit list --subject {} --action seat.", t.license());
}

void tell_blocked(Telling& t) {
  t.why("an administrator blocked client {} on this license", t.client());
  t.todo("why: lictor audit list --subject {} --action client.", t.license());
  t.todo("let it in again: lictor client unblock {} {}", t.license(), shell_word(t.client()));
}

void tell_lease_expired(Telling& t) {
  t.why("the seat was held until {} and not renewed in time", t.time("lease_expired_at"));
  if (const auto lease = number_of(t.around().license, "lease"); lease && *lease > 0)
    t.why("a lease of this license lasts {}", format_duration(*lease));
  t.todo("let the client activate again; it should renew at half of its lease");
  t.todo("if clients sleep for longer: lictor license change {} --set lease=SECONDS", t.license());
}

void tell_hardware_mismatch(Telling& t) {
  const std::string differed = t.list("differed"), missing = t.list("missing"), matched = t.list("matched");
  if (!differed.empty()) t.why("components that differ from those the seat is bound to: {}", differed);
  if (!missing.empty()) t.why("components that the client did not report: {}", missing);
  t.why("components that match: {}", matched.empty() ? "none" : matched);
  t.todo("if the machine was replaced or rebuilt, free its seat, so that it binds anew: lictor client forget {} {}",
         t.license(), shell_word(t.client()));
  t.todo("if machines of this customer change often, bind less strictly: lictor license change {} --set binding=loose",
         t.license());
}

void tell_version_not_covered(Telling& t) {
  const std::string version = t.detail("version"), range = t.detail("version_range");
  if (!version.empty()) t.why("the client is version {}", version);
  if (!range.empty()) t.why("the license covers {}", range);
  if (range.empty()) t.why("the license covers a range of versions, or those that came out before its end");
  t.todo("see what it covers: lictor license show {} --json", t.license());
  t.todo("cover more: lictor license change {} --set 'version_range=\"RANGE\"', or lictor license renew {}",
         t.license(), t.license());
}

void tell_feature(Telling& t) {
  const std::string feature = t.detail("feature");
  t.why("the client asked for {}", feature.empty() ? "a feature" : "feature " + feature);
  if (const auto end = t.number("expired_at")) {
    t.why("the license had it until {}", format_time(*end));
  } else if (const json::object all = object_of(t.around().license, "entitlements"); !all.empty()) {
    std::string names;
    for (const auto& [name, value] : all) names += (names.empty() ? "" : ", ") + std::string(name);
    t.why("the license has: {}", names);
  }
  t.todo("for all licenses of its policy: lictor policy change POLICY --product PRODUCT --feature {}",
         feature.empty() ? "NAME" : feature);
}

void tell_quota(Telling& t) {
  const auto used = t.number("used"), quota = t.number("quota");
  const std::string metric = t.detail("metric");
  if (used && quota) {
    t.why("{} of {}{} were used, and the request would go beyond", *used, *quota, metric.empty() ? "" : " " + metric);
  }
  if (const auto end = t.number("period_ends_at")) {
    t.why("it counts anew from {}", format_time(*end));
  } else {
    t.why("it does not count anew by itself");
  }
  t.todo("see the usage: lictor report usage --license {}", t.license());
  t.todo("allow more: lictor license change {} --set 'quotas={{\"{}\":{{\"amount\":AMOUNT,\"period\":\"month\"}}}}'",
         t.license(), metric.empty() ? "METRIC" : metric);
}

std::string holder_text(const json::object& client) {
  return fmt::format("{} since {}, {}", text_of(client, "client_id"),
                     number_of(client, "activated_at") ? format_time(*number_of(client, "activated_at")) : "?",
                     number_of(client, "lease_expires_at")
                         ? "until " + format_time(*number_of(client, "lease_expires_at"))
                         : "until it is given back");
}

void tell_max_clients(Telling& t) {
  const auto most = t.number("max_clients"), active = t.number("active_clients");
  if (most && active) t.why("{} of {} seats were taken", *active, *most);
  const json::object& seats = t.around().seats;
  const json::array holders = array_of(seats, "clients");
  if (!seats.empty()) {
    t.why("now {} are taken and {} free", number_of(seats, "active_clients").value_or(0),
          number_of(seats, "free") ? std::to_string(*number_of(seats, "free")) : "any number is");
  }
  for (std::size_t i = 0; i < std::min(holders.size(), kHoldersTold); ++i)
    t.why("held by {}", holder_text(holders[i].as_object()));
  if (holders.size() > kHoldersTold || is_true(seats, "more_clients"))
    t.why("and others: lictor client list {} --held", t.license());
  if (const auto next = t.number("next_release_at")) {
    t.why("the next seat {} free at {}", *next > t.around().now ? "becomes" : "became", format_time(*next));
  } else {
    t.why("no seat becomes free by itself: they are held until they are given back");
  }
  const std::string holder = holders.empty() ? "CLIENT_ID" : text_of(holders[0].as_object(), "client_id");
  t.todo("free a seat: lictor client deactivate {} {}", t.license(), shell_word(holder));
  t.todo("or give it more: lictor license change {} --max-clients {}", t.license(),
         most ? std::to_string(*most + 1) : "NUMBER");
}

void tell_transfer_limit(Telling& t) {
  if (const auto most = t.number("max_transfers")) t.why("seats may move {} times in a period, and did", *most);
  t.why("the next move is possible at {}", t.time("next_transfer_at", "no time: the period does not end"));
  t.todo("allow more: lictor license change {} --set max_transfers=NUMBER", t.license());
}

const Explainer* find_explainer(std::string_view code) {
  for (const auto* table : {&kLicenseExplainers, &kRequestExplainers}) {
    const auto found =
        std::find_if(table->begin(), table->end(), [&](const Explainer& one) { return one.code == code; });
    if (found != table->end()) return &*found;
  }
  return nullptr;
}

}  // namespace

const std::vector<Explainer> kLicenseExplainers = {
    {"LICENSE_KEY_INVALID", "There is no such license.", tell_key_invalid},
    {"LICENSE_REVOKED", "The license is revoked.", tell_revoked},
    {"LICENSE_SUSPENDED", "The license was suspended.", tell_suspended},
    {"LICENSE_NOT_YET_VALID", "The license had not begun.", tell_not_yet_valid},
    {"LICENSE_EXPIRED", "The license had expired.", tell_expired},
    {"CHECK_IN_OVERDUE", "The client was not seen for too long.", tell_check_in_overdue},
    {"CLIENT_NOT_ACTIVATED", "The client held no seat.", tell_not_activated},
    {"CLIENT_BLOCKED", "The client is blocked.", tell_blocked},
    {"LEASE_EXPIRED", "The client's lease had ended.", tell_lease_expired},
    {"HARDWARE_MISMATCH", "The machine is not the one that the seat is bound to.", tell_hardware_mismatch},
    {"VERSION_NOT_COVERED", "The license does not cover this version of the software.", tell_version_not_covered},
    {"FEATURE_NOT_LICENSED", "The license does not include the feature.", tell_feature},
    {"USAGE_QUOTA_EXCEEDED", "The quota was used up.", tell_quota},
    {"MAX_CLIENTS_REACHED", "All seats of the license were taken.", tell_max_clients},
    {"TRANSFER_LIMIT_REACHED", "The license's seats had moved too often.", tell_transfer_limit},
};

bool is_explained(std::string_view code) { return find_explainer(code) != nullptr; }

bool wants_seats(std::string_view code) { return code == "MAX_CLIENTS_REACHED"; }

Explanation explain(const json::object& refusal, const Circumstances& around) {
  Explanation out;
  Telling telling(refusal, around, out);
  if (const Explainer* explainer = find_explainer(text_of(refusal, "code"))) {
    out.what = explainer->what;
    explainer->tell(telling);
  } else {  // of a newer server
    out.what = telling.message();
    if (!telling.details().empty()) telling.why("details: {}", json::serialize(telling.details()));
  }
  return out;
}

}  // namespace lictor::cli
