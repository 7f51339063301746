#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "http/listener.h"
#include "lictord/commands.h"

namespace lictor::daemon {
namespace {

std::string advice_on(const http::ListenError& error) {
  switch (error.code().value()) {
    case EADDRINUSE:
      return "Stop what listens there (ss -ltnp names it), or give another address with --listen.";
    case EADDRNOTAVAIL:
      return "It is no address of this machine: give one with --listen; 127.0.0.1 is this machine alone, 0.0.0.0 all "
             "its "
             "addresses.";
    case EACCES:
      return "Ports below 1024 need a privilege: give a higher one with --listen, and let a proxy be in front.";
    default:
      return {};
  }
}

std::string advice_on(const store::StoreError& error, const config::CommandLine& line) {
  using Kind = store::StoreError::Kind;
  switch (error.kind()) {
    case Kind::disk_full:
      return "Free some space there and try again; nothing that was acknowledged is lost.";
    case Kind::read_only:
      return fmt::format(
          "Give the file and its directory to the user who runs lictord (id {}), on a file system that "
          "is mounted for writing.",
          ::geteuid());
    case Kind::corrupt:
      if (line.command != nullptr && line.command->name == "restore") {
        return "This backup is of no use; nothing was changed. Take an earlier one.";
      }
      return fmt::format("Restore a backup: lictord restore FILE --data {} --force keeps the damaged file beside it.",
                         line.outcome.options->server.data.string());
    case Kind::newer_schema:
      return "Install the lictord that wrote it or a newer one, or restore a backup from before the upgrade.";
    case Kind::locked:
      return "Stop the other process first, or name another directory with --data.";
    default:
      return {};
  }
}

}  // namespace

std::string advice_for(const std::exception& error, const config::CommandLine& line) {
  if (const auto* const listen = dynamic_cast<const http::ListenError*>(&error)) return advice_on(*listen);
  const auto* const store = dynamic_cast<const store::StoreError*>(&error);
  return store != nullptr ? advice_on(*store, line) : std::string();
}

}  // namespace lictor::daemon
