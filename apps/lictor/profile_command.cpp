// lictor profile save | show
#include <fmt/format.h>

#include "lictor/error.h"
#include "lictor/profile.h"
#include "lictor/session.h"

namespace lictor::cli {
namespace json = boost::json;
namespace fs = std::filesystem;
namespace {

struct NoOptions {};

struct SaveOptions {
  bool force = false;
};

fs::path whole_path(const fs::path& path) { return path.empty() ? path : fs::absolute(path).lexically_normal(); }

void save(Session& session, const SaveOptions& options) {
  const fs::path path = own_profile_path();
  if (path.empty())
    throw CommandError(ExitCode::usage, "neither XDG_CONFIG_HOME nor HOME says where your profile goes");
  std::error_code error;
  if (fs::exists(path, error) && !options.force) {
    throw CommandError(ExitCode::refused, fmt::format("{} is there already", printable(path.string())),
                       "--force replaces it");
  }
  const GlobalOptions& globals = session.globals();
  const Connection connection = find_connection(globals.url, globals.data, globals.profile);
  Profile profile;
  profile.url = connection.url;
  profile.data = whole_path(connection.data);
  // A key that lies in a file stays there alone.
  profile.api_key_file = whole_path(connection.key_file);
  if (connection.key_file.empty()) profile.api_key = std::string(connection.api_key.reveal());
  write_profile(profile, path);
  if (session.output().json()) return session.output().print_json({{"path", path.string()}, {"url", profile.url}});
  session.output().print_line(fmt::format("{} is there (mode 0600): lictor now talks to {} when nothing else is given",
                                          path.string(), profile.url));
}

void show(Session& session, const NoOptions&) {
  const Connection& connection = session.client().connection();
  if (session.output().json()) {
    return session.output().print_json({{"url", connection.url},
                                        {"url_source", connection.url_source},
                                        {"api_key_source", connection.key_source},
                                        {"data", connection.data.string()}});
  }
  Table table;
  table.add({{"server"}, {connection.url}});
  table.add({{"named by"}, {connection.url_source}});
  table.add({{"API key from"}, {connection.key_source}});
  if (!connection.data.empty()) table.add({{"data"}, {connection.data.string()}});
  session.output().print(table);
}

}  // namespace

void add_profile_commands(CLI::App& app, Commands commands) {
  CLI::App& group = commands.add_group(app, "profile", "Keep where the server is and who you are",
                                       "lictor profile save --data /var/lib/lictor");
  auto o = std::make_shared<SaveOptions>();
  CLI::App& saving = commands.add(group, "save", "Write your own profile, for commands that name no server",
                                  "lictor profile save --data /var/lib/lictor", o, save);
  saving.add_flag("--force", o->force, "Replace the one that is there");
  commands.add(group, "show", "Show which server and which API key a command would use",
               "lictor profile show --data var/demo", std::make_shared<NoOptions>(), show);
}

}  // namespace lictor::cli
