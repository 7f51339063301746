#include "lictor/license_grants.h"

#include <boost/json.hpp>

#include "lictor/json_fields.h"
#include "lictor/terms.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

using Parse = base::Result<Member> (*)(std::string_view);

// One of the two kinds.
struct Kind {
  const char* member;  // of the terms
  const char* flag;
  const char* remove_flag;
  Parse parse;
  std::vector<std::string> Grants::*added;
  std::vector<std::string> Grants::*removed;
};
const Kind kKinds[] = {
    {"features", "--feature", "--remove-feature", parse_feature, &Grants::features, &Grants::removed_features},
    {"quotas", "--quota", "--remove-quota", parse_quota, &Grants::quotas, &Grants::removed_quotas},
};

}  // namespace

void add_grants(CLI::App& command, Grants& grants) {
  add_repeated(command, "--feature", grants.features, "A feature, perhaps with a limit, beside those it has",
               "NAME[=LIMIT]");
  add_repeated(command, "--quota", grants.quotas, "A quota of usage, such as api_calls=10000/month",
               "METRIC=AMOUNT/PERIOD");
}

void add_removals(CLI::App& command, Grants& grants) {
  add_repeated(command, "--remove-feature", grants.removed_features, "Take a feature away", "NAME");
  add_repeated(command, "--remove-quota", grants.removed_quotas, "Take a quota away", "METRIC");
}

void merge_grants(Session& session, const Grants& grants, const GrantedLicense& license, json::object& overrides) {
  std::optional<json::object> terms;  // of its policy, fetched when they count
  for (const Kind& kind : kKinds) {
    const auto& added = grants.*kind.added;
    const auto& removed = grants.*kind.removed;
    if (added.empty() && removed.empty()) continue;
    json::object members;
    for (const std::string& text : added)
      add_member(members, kind.flag, required_value(kind.flag, text, kind.parse(text)));
    json::object present;
    if (overrides.contains(kind.member)) {
      present = overrides;
    } else if (license.overrides.contains(kind.member)) {
      present = license.overrides;
    } else {
      if (!terms) terms = object_of(get_policy(session, license.product, license.policy), "terms");
      present = *terms;
    }
    overrides[kind.member] = merged_members(object_of(present, kind.member), members, kind.remove_flag, removed);
  }
}

}  // namespace lictor::cli
