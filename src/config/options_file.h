// The configuration file: TOML 1.0 (https://toml.io/en/v1.0.0) with the sections and keys of the option table.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/options.h"

namespace lictor::config {

// A value that was given for an option, not yet checked.
struct Setting {
  const Option* option;
  std::string text;
  std::string
      origin;  // for errors: "--listen", "environment variable LICTOR_LISTEN", "lictor.toml, line 3, server.listen"
};

struct FileSettings {
  std::vector<Setting> settings;
  std::vector<std::string> problems;  // unknown keys, values of the wrong type, malformed or unreadable file
};

FileSettings read_options_file(const std::filesystem::path& path, const std::string& origin);

}  // namespace lictor::config
