// A database's address: sqlite:PATH, postgresql://… or postgres://… (a connection URI of libpq).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace lictor::store {

struct DatabaseUrl {
  enum class Engine : std::uint8_t { sqlite, postgresql };
  Engine engine = Engine::sqlite;
  std::string location;  // the file's path, or the URI: with the password that may be in it
};

// The Problem's message never has a part of the text behind the scheme, where a password may be.
base::Result<DatabaseUrl> parse_database_url(std::string_view text);

// A connection URI of libpq as messages may show it: without password, and without what options may hold.
std::string without_password(const std::string& url);

// As messages and logs may show it: without a password.
std::string shown(const DatabaseUrl& url);

}  // namespace lictor::store
