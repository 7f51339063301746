#include "lictord/data_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace lictor::daemon {
namespace {

namespace fs = std::filesystem;

std::string who() { return fmt::format("the user who runs lictord (id {})", ::geteuid()); }

// With the rights that opening a file would need; also finds a file system that is mounted read-only.
int write_error(const fs::path& directory) {
  return ::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

std::string advice(int error) {
  if (error == EROFS) return "; mount it for writing or choose another directory";
  if (error == EACCES || error == EPERM) return "; give it to " + who();
  return "";
}

}  // namespace

std::optional<std::string> directory_problem(const fs::path& directory, const std::string& what) {
  std::error_code error;
  fs::path nearest = fs::absolute(directory, error);
  fs::file_status status = fs::status(nearest, error);
  const bool is_there = fs::exists(status);
  if (is_there && !fs::is_directory(status)) return fmt::format("{} {} is no directory", what, directory.string());
  while (!fs::exists(status) && nearest.has_relative_path()) {
    if (error && error.value() != ENOENT) {
      return fmt::format("{} {} can't be reached: {}{}", what, directory.string(), error.message(),
                         advice(error.value()));
    }
    nearest = nearest.parent_path();
    status = fs::status(nearest, error);
  }
  if (!fs::is_directory(status)) {
    return fmt::format("{} {} can't be created: {} is no directory", what, directory.string(), nearest.string());
  }
  const int refused = write_error(nearest);
  if (refused == 0) return {};
  if (is_there) {
    return fmt::format("{} {} can't be written: {}{}", what, directory.string(), std::strerror(refused),
                       advice(refused));
  }
  return fmt::format("{} {} can't be created in {}: {}{}", what, directory.string(), nearest.string(),
                     std::strerror(refused), advice(refused));
}

std::optional<std::string> data_directory_problem(const fs::path& directory) {
  if (auto problem = directory_problem(directory, "the data directory")) return problem;
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (!fs::exists(status) || (status.permissions() & fs::perms::others_write) == fs::perms::none) return {};
  return fmt::format("the data directory {} can be written by everybody: give it to one user (chmod 700)",
                     directory.string());
}

fs::path prepare_data_directory(const fs::path& directory) {
  if (const auto problem = data_directory_problem(directory)) throw std::runtime_error(*problem);
  std::error_code error;
  const bool is_new = fs::create_directories(directory, error);
  if (error) {
    throw std::runtime_error(
        fmt::format("the data directory {} can't be created: {}", directory.string(), error.message()));
  }
  if (is_new) fs::permissions(directory, fs::perms::owner_all, error);
  return fs::absolute(directory);
}

}  // namespace lictor::daemon
