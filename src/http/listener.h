// Listening sockets.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

namespace lictor::http {

struct ListenAddress {
  std::string host;  // numeric IPv4 or IPv6 address
  std::uint16_t port = 0;
};

// The address can't be listened on; the code is that of bind(2) or listen(2), the text names address and port.
class ListenError : public std::system_error {
 public:
  using std::system_error::system_error;
};

// Returns a non-blocking descriptor that listens. `shared`: several of them may have the same port (SO_REUSEPORT), and
// the kernel spreads connections over them. Throws ListenError.
int open_listener(const ListenAddress& address, bool shared);

// Throws as open_listener does when someone listens there already, which SO_REUSEPORT alone would not notice when that
// is another instance of this program.
void require_free(const ListenAddress& address);

std::uint16_t local_port(int descriptor);

}  // namespace lictor::http
