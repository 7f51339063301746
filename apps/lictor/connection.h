// Where the server is and which API key goes to it.
//
//   address: --url, else LICTOR_URL, else the file lictord.url of the data directory, else http://127.0.0.1:8000
//   API key: admin.key of --data, else LICTOR_API_KEY, else admin.key of LICTOR_DATA
//
// When none of these is given, the data directory of a trial run is taken: ./var/demo or ./var/lictor, if exactly one
// of them holds an admin.key of the same user, and then only for a server on this machine. A key found by such a guess
// never goes to an address that was given, and an address found by it never gets a key that was given.
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
  std::string key_source;      // "admin.key in DIR", for errors
  std::filesystem::path data;  // empty: none
};

// `url` and `data` are the values of the flags; empty when they are not given. Throws CommandError.
Connection find_connection(const std::string& url, const std::string& data);

inline constexpr const char* kKeyPlaces =
    "it is read from admin.key in the directory given with --data (or LICTOR_DATA), or from LICTOR_API_KEY";

}  // namespace lictor::cli
