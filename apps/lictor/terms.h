// The options that make the terms of a policy (docs/http-api.md).
#pragma once

#include <CLI/App.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "lictor/session.h"

namespace lictor::cli {

struct TermsOptions {
  std::string source;               // --terms: a file, - for stdin, or the JSON itself
  std::vector<std::string> values;  // of the options with a member of their own, in the order of their table
  std::vector<std::string> features, quotas;
};

void add_terms_options(CLI::App& command, TermsOptions& options);
// What --terms says, with the other options before it. Throws CommandError (wrong usage).
boost::json::object build_terms(const TermsOptions& options);

// GET of the policy, by the name of its product and its own. Throws CommandError when there is none.
boost::json::object get_policy(Session& session, const std::string& product, const std::string& name);
// The features (or quotas) that are there, with some others and without some. Throws CommandError when one that is to
// be `removed` is not there; `flag` named it.
boost::json::object merged_members(boost::json::object present, const boost::json::object& added, std::string_view flag,
                                   const std::vector<std::string>& removed);

}  // namespace lictor::cli
