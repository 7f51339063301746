// What every command works with, and how a command is added to the command line.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "lictor/arguments.h"
#include "lictor/client.h"
#include "lictor/output.h"

namespace lictor::cli {

// The options that every command takes.
struct GlobalOptions {
  std::string url;
  std::string data;
  std::string profile;
  std::string ca_file;
  std::string timeout = "30s";
  bool json = false;
};

class Session {
 public:
  explicit Session(base::UnixSeconds now) : now_(now) {}

  GlobalOptions& globals() noexcept { return globals_; }
  Output& output() noexcept { return output_; }
  base::UnixSeconds now() const noexcept { return now_; }  // when the command was started
  Client& client();                                        // made at first use; throws CommandError

 private:
  base::UnixSeconds now_;
  GlobalOptions globals_;
  Output output_;
  std::unique_ptr<Client> client_;
};

// What the command line asked for: run after parsing, so that wrong usage is found before anything is sent.
using Action = std::function<void()>;

// Where commands are added: the session outlives `chosen`.
struct Commands {
  Session& session;
  Action& chosen;

  // A command that does something. `example` is a whole line to paste.
  template <class Options, class Run>
  CLI::App& add(CLI::App& parent, const std::string& name, const std::string& description, const std::string& example,
                std::shared_ptr<Options> options, Run run) {
    CLI::App& command = add_named(parent, name, description, example);
    command.callback([this_session = &session, this_chosen = &chosen, options = std::move(options), run] {
      *this_chosen = [this_session, options, run] { run(*this_session, *options); };
    });
    return command;
  }
  // A group of commands, of which one must follow.
  CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& example);

 private:
  static CLI::App& add_named(CLI::App& parent, const std::string& name, const std::string& description,
                             const std::string& example);
};

// One in each file of its group.
void add_status_command(CLI::App& app, Commands commands);
void add_why_command(CLI::App& app, Commands commands);
void add_license_commands(CLI::App& app, Commands commands);
void add_license_change_commands(CLI::App& group, Commands commands);  // of the group `license`
void add_license_export_command(CLI::App& group, Commands commands);
void add_license_import_command(CLI::App& group, Commands commands);
void add_client_commands(CLI::App& app, Commands commands);
void add_product_commands(CLI::App& app, Commands commands);
void add_policy_commands(CLI::App& app, Commands commands);
void add_key_commands(CLI::App& app, Commands commands);
void add_report_commands(CLI::App& app, Commands commands);
void add_refusals_commands(CLI::App& app, Commands commands);
void add_audit_commands(CLI::App& app, Commands commands);
void add_profile_commands(CLI::App& app, Commands commands);
void add_completion_command(CLI::App& app, Commands commands);
void add_docs_command(CLI::App& app, Commands commands);  // not shown in --help

// What several groups say in the same way.
// A time, or `otherwise` when the member is null or missing.
std::string time_or(const boost::json::object& object, std::string_view name, std::string_view otherwise);
std::string limit_text(const boost::json::object& object, std::string_view name);  // "unlimited" for null
Cell status_cell(const std::string& status);
void remark_more(Session& session, const Listing& listing);  // that there are more than were shown
// Whether there is somebody to ask before something that can't be undone: not with --yes. Throws CommandError (wrong
// usage) when there is neither --yes nor a terminal.
bool must_ask(const ChangeOptions& options);
// Asks if it must. Throws CommandError for a no.
void confirm(const ChangeOptions& options, std::string_view question);
// With the member `etag` of the answer that it came in, for --if-match.
boost::json::object with_etag(Session& session, boost::json::object object);

}  // namespace lictor::cli
