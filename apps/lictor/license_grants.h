// Features and quotas of one license, given beside those that it has.
#pragma once

#include <CLI/App.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "lictor/session.h"

namespace lictor::cli {

struct Grants {
  std::vector<std::string> features, quotas, removed_features, removed_quotas;

  bool any() const {
    return !features.empty() || !quotas.empty() || !removed_features.empty() || !removed_quotas.empty();
  }
};

void add_grants(CLI::App& command, Grants& grants);
void add_removals(CLI::App& command, Grants& grants);

// A license as far as its grants go: the names of its product and policy, and the overrides that it has.
struct GrantedLicense {
  std::string product, policy;
  boost::json::object overrides;
};

// The server takes all features of a license or none, so that these are added to what it has by now: in `overrides`
// (what else the command sets), in its own overrides, or by its policy. Throws CommandError.
void merge_grants(Session& session, const Grants& grants, const GrantedLicense& license,
                  boost::json::object& overrides);

}  // namespace lictor::cli
