// Where a MySQL or MariaDB server is, as one address:
//
//   mysql://user:password@host:port/database?socket=/run/mysqld/mysqld.sock&ssl-mode=verify-identity&ssl-ca=/path
//
// `mariadb://` is the same. User, password and database may hold %XX; a host may be [an IPv6 address]; the port is 3306
// unless told otherwise. With a socket the host is not used. Pure and thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lictor::store {

struct MysqlAddress {
  enum class Tls : std::uint8_t {
    disabled,         // the default
    required,         // encrypted, with whoever answers
    verify_identity,  // … who proves to be that host, to the certificates of ssl-ca or of the system
  };
  std::string user, password, host, database;
  std::uint16_t port = 3306;
  std::string socket;  // path; empty: TCP
  Tls tls = Tls::disabled;
  std::string tls_ca;  // path of a PEM file; empty: the system's

  std::string shown() const;  // as messages may show it: without the password
};

// Throws StoreError other that says what is wrong and what is allowed, and shows no password.
MysqlAddress parse_mysql_address(std::string_view url);

}  // namespace lictor::store
