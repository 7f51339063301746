// lictor docs: the reference of all commands as Markdown, from which tools/docs makes docs/cli.md. Not shown in --help.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "lictor/session.h"
#include "lictor/usage.h"

namespace lictor::cli {
namespace {

struct NoOptions {};

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

// `--limit N`, `[license]`
std::string option_text(const CLI::Option& option) {
  const std::string type = option.get_items_expected_max() == 0 ? "" : option.get_type_name();
  const std::string name = option.get_positional() ? option.get_name(true) : option.get_name(false, true);
  return fmt::format("`{}{}{}`{}", name, type.empty() ? "" : " ", cell(type),
                     option.get_required() ? " (required)" : "");
}

void append_command(std::string& out, const CLI::App& command) {
  out += fmt::format("{}.\n\n", command.get_description());
  std::string rows;
  for (const CLI::Option* option : command.get_options()) {
    if (option == command.get_help_ptr()) continue;
    rows += fmt::format("| {} | {} |\n", option_text(*option), cell(option->get_description()));
  }
  if (!rows.empty()) out += "| argument | meaning |\n| --- | --- |\n" + rows + "\n";
  const std::string footer = command.get_footer();
  const std::size_t example = footer.find("Example:\n  ");
  if (example == std::string::npos) return;
  if (example > 0) out += footer.substr(0, example);
  const std::size_t begin = example + std::string_view("Example:\n  ").size();
  out += "```\n" + footer.substr(begin, footer.find('\n', begin) - begin) + "\n```\n\n";
}

void append_all(std::string& out, const std::string& name, const CLI::App& app) {
  const auto all = app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
  if (all.empty()) append_command(out, app);
  for (const CLI::App* command : all) {
    const std::string whole = name + " " + command->get_name();
    out += fmt::format("{} {}\n\n", app.get_parent() == nullptr ? "##" : "###", whole);
    append_all(out, whole, *command);
  }
}

}  // namespace

void add_docs_command(CLI::App& app, Commands commands) {
  CLI::App& command = commands.add(app, "docs", "Print the reference of all commands", "lictor docs",
                                   std::make_shared<NoOptions>(), [&app](Session& session, const NoOptions&) {
                                     std::string out;
                                     append_all(out, "lictor", app);
                                     out.pop_back();  // one line end is enough
                                     session.output().write(out);
                                   });
  command.group("");
}

}  // namespace lictor::cli
