#include "base/service_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>

namespace lictor::base {
namespace {

using std::chrono::microseconds;

// The service manager's end.
class Manager {
 public:
  // `name` as $NOTIFY_SOCKET has it.
  explicit Manager(const std::string& name) : descriptor_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), size) != 0) throw std::runtime_error(name);
  }
  ~Manager() { ::close(descriptor_); }
  std::string next() {
    std::array<char, 4096> text;
    const ssize_t size = ::recv(descriptor_, text.data(), text.size(), MSG_DONTWAIT);
    return size < 0 ? std::string("nothing") : std::string(text.data(), static_cast<std::size_t>(size));
  }

 private:
  const int descriptor_;
};

std::string unique(const std::string& prefix) { return prefix + "lictor-notify-" + std::to_string(::getpid()); }

TEST(ServiceNotify, TellsAPathOrAnAbstractNameOneDatagramEach) {
  const std::string path = unique((std::filesystem::temp_directory_path() / "").string());
  for (const std::string& name : {path, unique("@")}) {
    Manager manager(name);
    const ServiceNotify notify(name);
    EXPECT_TRUE(notify.active());
    EXPECT_EQ(notify.problem(), "");
    notify.still_starting("Waiting\nfor it");
    EXPECT_EQ(manager.next(), "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=Waiting for it\n");
    notify.ready("Listening\nWATCHDOG=trigger");
    EXPECT_EQ(manager.next(), "READY=1\nSTATUS=Listening WATCHDOG=trigger\n") << "a line's end would begin a variable";
    notify.reloading(microseconds(1234567));
    EXPECT_EQ(manager.next().rfind("RELOADING=1\nMONOTONIC_USEC=1234567\n", 0), 0U);
    notify.watchdog();
    EXPECT_EQ(manager.next(), "WATCHDOG=1\n");
    notify.stopping();
    EXPECT_EQ(manager.next().rfind("STOPPING=1\n", 0), 0U);
    EXPECT_EQ(manager.next(), "nothing");
  }
  ::unlink(path.c_str());
}

TEST(ServiceNotify, DoesNothingWithoutASocketAndSurvivesOneThatIsGone) {
  const ServiceNotify none("");
  EXPECT_FALSE(none.active());
  EXPECT_EQ(none.problem(), "");
  none.ready("nobody hears this");
  const ServiceNotify gone("/nonexistent/notify");
  gone.ready("nobody hears this either");
  for (const std::string& wrong : {std::string("relative"), std::string("/"), std::string("vsock:2:1234"),
                                   "/" + std::string(sizeof(sockaddr_un::sun_path), 'x')}) {
    const ServiceNotify refused(wrong);
    EXPECT_FALSE(refused.active()) << wrong;
    EXPECT_NE(refused.problem(), "") << wrong;
    refused.watchdog();
  }
}

TEST(ServiceNotify, TheWatchdogIsFedAtHalfItsTime) {
  EXPECT_EQ(watchdog_interval("30000000", "", 7), microseconds(15'000'000));
  EXPECT_EQ(watchdog_interval("30000000", "7", 7), microseconds(15'000'000));
  EXPECT_EQ(watchdog_interval("30000000", "8", 7), std::nullopt) << "meant for another process";
  EXPECT_EQ(watchdog_interval("1", "", 7), microseconds(1));
  for (const char* wrong : {"", "0", "-1", "x", "1s", "99999999999999999999"}) {
    EXPECT_EQ(watchdog_interval(wrong, "", 7), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace lictor::base
