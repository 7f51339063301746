// The data directory: for one user, writable.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace lictor::daemon {

// Why `directory` can't be used, in words that name it: it exists and can't be written, or can't be made where it would
// be. Nothing when all is well. Changes nothing; `what` is its name for people ("the data directory").
std::optional<std::string> directory_problem(const std::filesystem::path& directory, const std::string& what);

// Makes it when it is missing, with mode 0700. Returns its absolute path; throws std::runtime_error that says what
// directory_problem() says, or that everybody can write it.
std::filesystem::path prepare_data_directory(const std::filesystem::path& directory);

// The same check without touching it.
std::optional<std::string> data_directory_problem(const std::filesystem::path& directory);

}  // namespace lictor::daemon
