#include "http/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace lictor::http {

namespace {

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

[[noreturn]] void fail(const ListenAddress& address, int error) {
  const bool v6 = address.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + address.host + "]" : address.host;
  throw ListenError(error, std::generic_category(), "cannot listen on " + host + ":" + std::to_string(address.port));
}

Endpoint resolve(const ListenAddress& address) {
  Endpoint endpoint;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&endpoint.storage);
  if (::inet_pton(AF_INET, address.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    endpoint.size = sizeof(sockaddr_in);
    return endpoint;
  }
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&endpoint.storage);
  if (::inet_pton(AF_INET6, address.host.c_str(), &v6->sin6_addr) != 1) fail(address, EINVAL);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(address.port);
  endpoint.size = sizeof(sockaddr_in6);
  return endpoint;
}

void enable(int descriptor, int option) {
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, option, &on, sizeof on);
}

}  // namespace

int open_listener(const ListenAddress& address, bool shared) {
  const Endpoint endpoint = resolve(address);
  const int descriptor = ::socket(endpoint.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail(address, errno);
  enable(descriptor, SO_REUSEADDR);  // a restart must not wait for old connections to be forgotten
  if (shared) enable(descriptor, SO_REUSEPORT);
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&endpoint.storage), endpoint.size) != 0 ||
      ::listen(descriptor, SOMAXCONN) != 0) {
    const int error = errno;
    ::close(descriptor);
    fail(address, error);
  }
  return descriptor;
}

void require_free(const ListenAddress& address) { ::close(open_listener(address, false)); }

std::uint16_t local_port(int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    throw std::system_error(errno, std::generic_category(), "getsockname");
  const bool v6 = storage.ss_family == AF_INET6;
  return ntohs(v6 ? reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port
                  : reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

}  // namespace lictor::http
