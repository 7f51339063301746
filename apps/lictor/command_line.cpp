#include "lictor/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <vector>

#include "config/suggest.h"
#include "lictor/connection.h"

namespace lictor::cli {
namespace {

constexpr const char* kFooter =
    "Where the server is: --url, else LICTOR_URL, else the file lictord.url in the data directory, else\n"
    "  http://127.0.0.1:8000\n"
    "Who you are: the API key in DIR/admin.key with --data DIR, else LICTOR_API_KEY, else admin.key in LICTOR_DATA, "
    "else\n"
    "  (with nothing given, on this machine only) the one in ./var/demo or ./var/lictor. There is no flag for it: "
    "every\n"
    "  user of a machine can read the flags of a running program.\n"
    "\n"
    "Exit codes:\n"
    "  0  done\n"
    "  1  refused by the server, or the audit log is broken\n"
    "  2  wrong usage\n"
    "  3  the server can't be reached\n"
    "  4  not authenticated, or not allowed\n"
    "\n"
    "Example:\n"
    "  lictor license create --product demo --policy floating --data var/demo";

void add_global_options(CLI::App& app, GlobalOptions& globals) {
  app.set_version_flag("--version", "lictor " LICTOR_VERSION);
  app.add_option("--url", globals.url, "Address of the server");
  app.add_option("--data", globals.data, "Data directory of the server, for its admin.key and lictord.url");
  app.add_flag("--json", globals.json, "Print JSON instead of text for people");
  app.add_option("--timeout", globals.timeout, "How long to wait for each answer (30s)");
}

std::vector<const CLI::App*> command_path(const CLI::App& app) {
  std::vector<const CLI::App*> path = {&app};
  while (!path.back()->get_subcommands().empty()) path.push_back(path.back()->get_subcommands().front());
  return path;
}

std::string command_text(const std::vector<const CLI::App*>& path) {
  std::string text = "lictor";
  for (std::size_t i = 1; i < path.size(); ++i) text += " " + path[i]->get_name();
  return text;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> flag_names(const std::vector<const CLI::App*>& path) {
  std::vector<std::string> names;
  for (const CLI::App* app : path) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::string suggestion(const std::string& name, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return config::suggestion(name, views);
}

// In our own words where ours are better: what is not known, with the nearest that is.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const auto path = command_path(app);
  const std::vector<std::string> names = command_names(*path.back());
  for (const std::string& extra : app.remaining(true)) {
    if (extra.starts_with("-") && extra != "-" && extra != "--") {
      const std::string flag = extra.substr(0, extra.find('='));
      return fmt::format("{}: unknown option{}", printable(flag), suggestion(flag, flag_names(path)));
    }
    if (!names.empty()) return fmt::format("{}: unknown command{}", printable(extra), suggestion(extra, names));
    return fmt::format("{}: one argument too many", printable(extra));
  }
  if (!names.empty()) return fmt::format("{} needs a command: {}", command_text(path), fmt::join(names, ", "));
  return printable(error.what());
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
  const Commands commands{session, chosen};
  add_status_command(app, commands);
  add_license_commands(app, commands);
  add_product_commands(app, commands);
  add_policy_commands(app, commands);
  add_key_commands(app, commands);
  add_audit_commands(app, commands);

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
