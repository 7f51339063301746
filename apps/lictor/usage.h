// Wrong usage, told in our own words.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace lictor::cli {

// From the root to the command that was named last.
std::vector<const CLI::App*> command_path(const CLI::App& app);
// `lictor license create`
std::string command_text(const std::vector<const CLI::App*>& path);

// What is wrong and what is allowed, of an error that parsing threw.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

}  // namespace lictor::cli
