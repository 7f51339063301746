// Completion of command lines, from the same tree that parses them. The scripts call `lictor __complete WORD…`, whose
// last word is the one to complete, perhaps empty.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace lictor::cli {

inline constexpr const char* kCompleteCommand = "__complete";
// A line that stands for the names of files, or of directories.
inline constexpr const char* kCompleteFiles = ":files";
inline constexpr const char* kCompleteDirectories = ":directories";

// A line for each word that may stand there: commands, options, and the choices of an option.
std::string completions(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace lictor::cli
