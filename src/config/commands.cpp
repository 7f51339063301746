#include "config/commands.h"

#include <fmt/format.h>

#include <array>

namespace lictor::config {
namespace {

constexpr CommandFlag kJson{"--json", "Print JSON, for scripts."};

constexpr std::array kCheckFlags{kJson};
constexpr std::array kBackupFlags{CommandFlag{"--force", "Replace FILE when it exists."}, kJson};
constexpr std::array kRestoreFlags{
    CommandFlag{"--force", "Replace a database that is there; it is kept as its name with .previous."}, kJson};
constexpr std::array kAdminKeyFlags{kJson};
constexpr std::array kMigrateFlags{
    CommandFlag{"--from", "The database to move, sqlite:PATH or postgresql://…; unless given, the one in --data.",
                "URL"},
    CommandFlag{.flag = "--to",
                .help = "Where it goes: an empty database, or a SQLite file that is not there.",
                .value = "URL",
                .needed = true},
    CommandFlag{"--prepare", "Only copy the audit trail, while lictord runs: the move itself then takes less time."},
    CommandFlag{"--take-over", "Move it although lictord runs on it: what that is asked to write then is refused."},
    CommandFlag{"--undo", "Let the database of --from serve again, because the one of --to never did."},
    CommandFlag{"--force",
                "With --undo: although --to has served or can't be asked; otherwise: although the audit "
                "trail is damaged."},
    kJson};
constexpr std::array kHealthFlags{
    CommandFlag{"--live", "Ask only whether it answers (/health), not whether it can serve (/ready)."}};

constexpr std::array kCommands{
    Command{.name = "check-config",
            .summary = "Print what each option would be and where it comes from, and check it; starts nothing.",
            .flags = kCheckFlags,
            .all_options = true},
    Command{.name = "backup",
            .summary = "Write a consistent, verified copy of the database, also while lictord runs.",
            .argument = "FILE",
            .argument_help = "The file to write.",
            .flags = kBackupFlags},
    Command{.name = "restore",
            .summary = "Put a backup in the place of the database; lictord must not run.",
            .argument = "FILE",
            .argument_help = "What lictord backup wrote.",
            .flags = kRestoreFlags},
    Command{.name = "admin-key",
            .summary = "Make a new administrator's API key when admin.key is lost; with SQLite lictord must not run.",
            .flags = kAdminKeyFlags},
    Command{.name = "migrate",
            .summary = "Move the database to another place or engine; the old one then refuses to serve.",
            .flags = kMigrateFlags},
    Command{.name = "health",
            .summary = "Ask the lictord that listens there whether it can serve; for the health checks of containers.",
            .flags = kHealthFlags,
            .asks_server = true},
    Command{.name = "docs",
            .summary = "Print a page of the documentation that comes from a table of the program.",
            .argument = "PAGE",
            .argument_help = "The page's name.",
            .hidden = true},
};

}  // namespace

std::span<const Command> command_table() { return kCommands; }

bool takes_option(const Command* command, const Option& option) noexcept {
  if (command == nullptr || command->all_options) return true;
  if (command->hidden) return false;
  if (option.name == (command->asks_server ? "listen" : "database_url")) return true;
  return option.name == "data" || option.name == "config";
}

std::string render_command_table_markdown() {
  std::string table = "| command | what it does | its own flags |\n| --- | --- | --- |\n";
  for (const Command& command : kCommands) {
    if (command.hidden) continue;
    std::string flags;
    for (const CommandFlag& flag : command.flags) {
      flags += fmt::format("{}`{}{}{}`: {}", flags.empty() ? "" : " ", flag.flag, flag.value.empty() ? "" : " ",
                           flag.value, flag.help);
    }
    table += fmt::format("| `lictord {}{}{}` | {} | {} |\n", command.name, command.argument.empty() ? "" : " ",
                         command.argument, command.summary, flags);
  }
  return table;
}

}  // namespace lictor::config
