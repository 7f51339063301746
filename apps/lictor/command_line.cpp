#include "lictor/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "lictor/completion.h"
#include "lictor/usage.h"

namespace lictor::cli {
namespace {

constexpr const char* kFooter =
    "Where the server is, the first that says so:\n"
    "  --url, --profile or --data, LICTOR_URL, LICTOR_PROFILE, LICTOR_DATA, your own profile, ./var/demo or\n"
    "  ./var/lictor (on this machine only), http://127.0.0.1:8000\n"
    "Who you are, the first that has an API key:\n"
    "  --profile or --data, LICTOR_API_KEY, LICTOR_PROFILE, LICTOR_DATA, your own profile, and, with nothing given,\n"
    "  ./var/demo or ./var/lictor. There is no flag for the key: every user of a machine can read the flags of a\n"
    "  running program. The key of your own profile goes to the address in it and to no other.\n"
    "A data directory holds lictord.url (while its server lives), admin.key, and profile.toml, which lictord writes "
    "at\n"
    "  its first start. A profile is TOML, for its owner alone (mode 0600), with url, and api_key_file or api_key, "
    "and\n"
    "  data for a data directory. Your own is $XDG_CONFIG_HOME/lictor/profile.toml, by default\n"
    "  ~/.config/lictor/profile.toml: lictor profile save writes it, lictor profile show says what holds.\n"
    "\n"
    "Exit codes:\n"
    "  0  done\n"
    "  1  refused by the server, or the audit log is broken, or rows were not imported\n"
    "  2  wrong usage\n"
    "  3  the server can't be reached\n"
    "  4  not authenticated, or not allowed\n"
    "  5  changed by somebody else since --if-match was read\n"
    "\n"
    "Example:\n"
    "  lictor license create --product demo --policy floating --data var/demo";

void add_global_options(CLI::App& app, GlobalOptions& globals) {
  app.set_version_flag("--version", "lictor " LICTOR_VERSION);
  add_text(app, "--url", globals.url, "Address of the server", "URL");
  add_text(app, "--data", globals.data, "Data directory of the server, for its admin.key and lictord.url", "DIR");
  add_text(app, "--profile", globals.profile, "A file that says where the server is and who you are", "FILE");
  add_text(app, "--ca-file", globals.ca_file, "Whom to trust for https, as PEM, instead of the system's list", "FILE")
      ->envname("LICTOR_CA_FILE");
  app.add_flag("--json", globals.json, "Print JSON instead of text for people");
  add_text(app, "--timeout", globals.timeout, "How long to wait for each answer (30s)", "DURATION");
}

void add_commands(CLI::App& app, Commands commands) {
  add_status_command(app, commands);
  add_why_command(app, commands);
  add_license_commands(app, commands);
  add_client_commands(app, commands);
  add_product_commands(app, commands);
  add_policy_commands(app, commands);
  add_key_commands(app, commands);
  add_report_commands(app, commands);
  add_refusals_commands(app, commands);
  add_audit_commands(app, commands);
  add_profile_commands(app, commands);
  add_completion_command(app, commands);
  add_docs_command(app, commands);
}

}  // namespace

ExitCode run(Session& session, int argc, const char* const* argv) {
  CLI::App app("The administrator's command line of Lictor", "lictor");
  app.get_formatter()->column_width(32);
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.get_formatter()->label("Subcommands", "Commands");
  app.fallthrough();  // the options of every command may also stand behind it
  app.require_subcommand(1);
  app.footer(kFooter);
  add_global_options(app, session.globals());

  Action chosen;
  add_commands(app, {session, chosen});
  if (argc > 1 && std::string_view(argv[1]) == kCompleteCommand) {
    session.output().write(completions(app, {argv + 2, argv + argc}));
    return ExitCode::success;
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    app.exit(request);
    return ExitCode::success;
  } catch (const CLI::ParseError& error) {
    throw CommandError(ExitCode::usage, usage_message(app, error), command_text(command_path(app)) + " --help");
  }
  session.output().set_json(session.globals().json);
  chosen();
  return ExitCode::success;
}

}  // namespace lictor::cli
