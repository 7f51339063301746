// The options that make the terms of a policy (docs/http-api.md).
#pragma once

#include <CLI/App.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <vector>

namespace lictor::cli {

struct TermsOptions {
  std::string source;               // --terms: a file, - for stdin, or the JSON itself
  std::vector<std::string> values;  // of the options with a member of their own, in the order of their table
  std::vector<std::string> features, quotas;
};

void add_terms_options(CLI::App& command, TermsOptions& options);
// What --terms says, with the other options before it. Throws CommandError (wrong usage).
boost::json::object build_terms(const TermsOptions& options);

}  // namespace lictor::cli
