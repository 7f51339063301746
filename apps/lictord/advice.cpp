#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "config/data_files.h"
#include "http/listener.h"
#include "lictord/commands.h"
#include "lictord/key_file.h"
#include "store/refused_error.h"

namespace lictor::daemon {
namespace {

// The address that was asked for with a port beside its own, for a second server.
std::string another_address(const config::Options& options) {
  const std::string& host = options.server.listen_address;
  const unsigned port = options.server.listen_port;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}:{}", is_ipv6 ? "[" + host + "]" : host, port == 0 || port >= 65535 ? 8001 : port + 1);
}

std::string advice_on(const http::ListenError& error, const config::Options& options) {
  switch (error.code().value()) {
    case EADDRINUSE:
      return fmt::format(
          "Stop what listens there (ss -ltnp names it), or give another address with --listen, such as --listen {}.",
          another_address(options));
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

std::string advice_on_lock(const config::Options& options, bool serves) {
  const std::string url = running_url((options.server.data / config::kUrlFile).string());
  const std::string where = url.empty() ? "" : fmt::format("A lictord serves it at {}. ", url);
  if (!serves) return where + "Stop the other process first, or name another directory with --data.";
  return where + fmt::format("Stop the other process first, or start this one beside it: --listen {} --data DIR",
                             another_address(options));
}

std::string advice_on_move_in_use() {
  return "Stop it first. What takes long may be done before: --prepare copies the audit trail while lictord runs. With "
         "--take-over the move goes ahead while it runs: it refuses whatever it is asked to write from then on.";
}

// A name without a file behind it, or a directory that was meant to be another.
std::string advice_on_no_database() {
  const auto options = config::option_table();
  const auto data = std::ranges::find(options, std::string_view("data"), &config::Option::name);
  return fmt::format(
      "Name the data directory of a server with --data (by default {}, from where lictord was started): the first "
      "start puts lictor.db and {} into it. --database-url names a database that is elsewhere.",
      data->default_text, config::kAdminKeyFile);
}

std::string advice_on_lost(const store::StoreError& error, const config::CommandLine& line) {
  const std::string_view said = error.what();
  for (const char* const full :
       {"too many connections", "Too many connections", "too many clients", "connection slots"}) {
    if (said.find(full) != said.npos)
      return "Raise max_connections of the database server, or lower pool_size and pool_overflow of each lictord.";
  }
  const bool waits = line.command == nullptr;
  return std::string("Is it running, and are host and port right? ") +
         (waits ? "With --wait-for-database lictord waits until it is there." : "Nothing was changed.");
}

std::string advice_on(const store::StoreError& error, const config::CommandLine& line) {
  using Kind = store::StoreError::Kind;
  if (dynamic_cast<const store::RefusedError*>(&error) != nullptr)
    return fmt::format("See user, password and database of the URL{}, and what the server lets in.",
                       line.outcome.options->database.engine == config::Options::Database::Engine::mysql
                           ? ""
                           : " (the password may be in ~/.pgpass)");
  switch (error.kind()) {
    case Kind::disk_full:
      return "Free some space there and try again; nothing that was acknowledged is lost.";
    case Kind::read_only:
      return fmt::format(
          "Give the file and its directory to the user who runs lictord (id {}), on a file system that "
          "is mounted for writing.",
          ::geteuid());
    case Kind::corrupt:
      if (line.command != nullptr && line.command->name == "migrate") return {};
      if (line.command != nullptr && line.command->name == "restore") {
        return "This backup is of no use; nothing was changed. Take an earlier one.";
      }
      if (line.outcome.options->database.engine != config::Options::Database::Engine::sqlite)
        return "Restore a backup that was made with the tools of the database server.";
      return fmt::format("Restore a backup: lictord restore FILE --data {} --force keeps the damaged file beside it.",
                         line.outcome.options->server.data.string());
    case Kind::newer_schema:
      return "Install the lictord that wrote it or a newer one, or restore a backup from before the upgrade.";
    case Kind::connection_lost:
      return line.command != nullptr && line.command->name == "migrate" ? "" : advice_on_lost(error, line);
    case Kind::locked:
      if (line.command != nullptr && line.command->name == "migrate") return advice_on_move_in_use();
      return advice_on_lock(*line.outcome.options, line.command == nullptr);
    default:
      return {};
  }
}

}  // namespace

std::string advice_for(const std::exception& error, const config::CommandLine& line) {
  if (const auto* const listen = dynamic_cast<const http::ListenError*>(&error))
    return advice_on(*listen, *line.outcome.options);
  if (dynamic_cast<const NoDatabase*>(&error) != nullptr) return advice_on_no_database();
  const auto* const store = dynamic_cast<const store::StoreError*>(&error);
  return store != nullptr ? advice_on(*store, line) : std::string();
}

}  // namespace lictor::daemon
