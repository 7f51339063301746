// The files of the data directory that both lictord, which writes them, and lictor, which reads them, know by name.
#pragma once

namespace lictor::config {

inline constexpr const char* kAdminKeyFile = "admin.key";    // the first administrator's API key
inline constexpr const char* kUrlFile = "lictord.url";       // where the server that runs on it listens
inline constexpr const char* kProfileFile = "profile.toml";  // both, for `lictor --profile`

}  // namespace lictor::config
