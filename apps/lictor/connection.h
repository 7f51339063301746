// Where the server is and which API key goes to it.
//
// The address: --url, else the place's if a flag names it, else LICTOR_URL, else what the place says, else
// http://127.0.0.1:8000.
// The API key: the place's if a flag names it, else LICTOR_API_KEY, else the place's.
// The place: --profile or --data, else LICTOR_PROFILE, else LICTOR_DATA, else the user's own profile.
//
// A place is a profile (profile.h) or a data directory, with or without a profile in it. The lictord.url of a data
// directory goes before the profile's url, and counts only while its lictord lives: another program may have taken its
// port, and only when nobody else may open it: to lock it is to pass for a lictord. The key of a place goes to that
// place's server only, and to --url when the same command line names the place; so the key of the user's own profile
// goes to that profile's address only. A file with a key must be private.
//
// When nothing at all is given, the data directory of a trial run is taken: ./var/demo or ./var/lictor, if exactly one
// of them is, with its admin.key, wholly the same user's own, and then only for a server on this machine. A key found
// by such a guess never goes to an address that was given, and an address found by it never gets a key that was given.
#pragma once

#include <filesystem>
#include <string>

#include "crypto/crypto.h"

namespace lictor::cli {

struct Connection {
  std::string url;  // http or https, host, port, perhaps a path; without a slash at the end
  bool loopback = false;
  bool encrypted = false;
  crypto::Secret api_key;
  std::string url_source;          // "LICTOR_URL", "DIR/lictord.url"
  std::string key_source;          // "DIR/admin.key", for errors
  std::filesystem::path key_file;  // empty: it came from elsewhere
  std::filesystem::path data;      // empty: none
  std::string ca_file;             // PEM, of the authorities that are trusted; empty: those of the system
};

// The values of the flags; empty when they are not given. Throws CommandError.
Connection find_connection(const std::string& url, const std::string& data, const std::string& profile);

inline constexpr const char* kKeyPlaces =
    "it is read from the profile given with --profile (or LICTOR_PROFILE), from admin.key in the directory given with "
    "--data (or LICTOR_DATA), from LICTOR_API_KEY, or from your own profile (lictor profile save)";

}  // namespace lictor::cli
