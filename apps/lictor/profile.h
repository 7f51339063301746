// A profile: a TOML file (https://toml.io/en/v1.0.0) that says where a server is and who calls it.
//
//   url = "http://127.0.0.1:8000"   the server's address
//   api_key_file = "admin.key"      a file that holds the API key; relative to the profile
//   api_key = "lk_live_…"           or the API key itself
//   data = "/var/lib/lictor"        the data directory of a server on this machine; the lictord.url there, while that
//                                   server lives, goes before `url`
//
// All members may be missing. lictord writes one into its data directory at its first start; a user's own lies in
// $XDG_CONFIG_HOME/lictor (https://specifications.freedesktop.org/basedir-spec/). Both are for their owner alone.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace lictor::cli {

struct Profile {
  std::filesystem::path path;  // where it was read
  std::string url;
  std::string api_key;
  std::filesystem::path api_key_file;  // absolute, or relative to the current directory
  std::filesystem::path data;          // the same
};

// Throws CommandError when it can't be read, is no profile, or may be read by others.
Profile read_profile(const std::filesystem::path& path);
// Mode 0600, replaced as a whole; directories are made, mode 0700. Throws CommandError.
void write_profile(const Profile& profile, const std::filesystem::path& path);
// Of the user who runs the command; empty when neither XDG_CONFIG_HOME nor HOME says where it would be.
std::filesystem::path own_profile_path();
// The user who runs the command, or root.
bool is_trusted_owner(uid_t owner) noexcept;
// Throws CommandError, with the chmod to run, when a file that holds a secret may be read by others.
void require_private(const std::filesystem::path& path);

}  // namespace lictor::cli
