#include "lictor/session.h"

#include <fmt/format.h>

#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/values.h"

namespace lictor::cli {

Client& Session::client() {
  if (client_) return *client_;
  const std::int64_t seconds = required_value("--timeout", globals_.timeout, parse_duration(globals_.timeout));
  if (seconds < 1 || seconds > 86400) refuse_value("--timeout", globals_.timeout, {{}, "1s to 1d"});
  Connection connection = find_connection(globals_.url, globals_.data, globals_.profile);
  connection.ca_file = globals_.ca_file;
  if (!connection.loopback && !connection.encrypted) {
    output_.remark(fmt::format("lictor: warning: the API key goes to {} unencrypted; use https", connection.url));
  }
  client_ = std::make_unique<Client>(std::move(connection), std::chrono::seconds(seconds));
  return *client_;
}

CLI::App& Commands::add_named(CLI::App& parent, const std::string& name, const std::string& description,
                              const std::string& example) {
  CLI::App& command = *parent.add_subcommand(name, description);
  command.group("Commands");
  command.footer("Example:\n  " + example + "\n\nOptions of every command: lictor --help");
  return command;
}

CLI::App& Commands::add_group(CLI::App& parent, const std::string& name, const std::string& description,
                              const std::string& example) {
  CLI::App& group = add_named(parent, name, description, example);
  group.require_subcommand(1);
  return group;
}

std::string time_or(const boost::json::object& object, std::string_view name, std::string_view otherwise) {
  const auto time = number_of(object, name);
  return time ? format_time(*time) : std::string(otherwise);
}

std::string limit_text(const boost::json::object& object, std::string_view name) {
  const auto limit = number_of(object, name);
  return limit ? std::to_string(*limit) : "unlimited";
}

Cell status_cell(const std::string& status) {
  const bool yellow = status == "suspended" || status == "grace" || status == "not_yet_valid" || status == "over limit";
  const bool red = status == "revoked" || status == "expired" || status == "blocked";
  const Colour colour = status == "active" ? Colour::green : yellow ? Colour::yellow : red ? Colour::red : Colour::none;
  return {status, colour};
}

void remark_more(Session& session, const Listing& listing) {
  if (!listing.more) return;
  session.output().remark(
      fmt::format("lictor: only {} are shown, there are more: --limit or --all shows them", listing.items.size()));
}

bool must_ask(const ChangeOptions& options) {
  if (options.yes) return false;
  if (is_terminal_input()) return true;
  throw CommandError(ExitCode::usage, "that can't be undone, and there is no terminal to ask on: give --yes to do it");
}

void confirm(const ChangeOptions& options, std::string_view question) {
  if (!must_ask(options)) return;
  if (!ask(question)) throw CommandError(ExitCode::refused, "not done");
}

boost::json::object with_etag(Session& session, boost::json::object object) {
  if (!session.client().etag().empty()) object["etag"] = session.client().etag();
  return object;
}

}  // namespace lictor::cli
