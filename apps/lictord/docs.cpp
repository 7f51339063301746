// Pages of the documentation that are one of the program's tables. tools/docs puts them in their place.
#include <array>
#include <cstdio>
#include <stdexcept>

#include "api/reference.h"
#include "base/suggest.h"
#include "lictord/commands.h"

namespace lictor::daemon {
namespace {

struct Page {
  std::string_view name;
  std::string (*render)();
};

constexpr std::array kPages{
    Page{"options", config::render_option_table_markdown},
    Page{"commands", config::render_command_table_markdown},
    Page{"codes", api::render_codes_markdown},
    Page{"administration", api::render_administration_markdown},
    Page{"import-rows", api::render_import_rows_markdown},
};

}  // namespace

int run_docs(const config::CommandLine& line) {
  std::vector<std::string_view> names;
  for (const Page& page : kPages) {
    names.push_back(page.name);
    if (page.name != line.argument) continue;
    std::fputs(page.render().c_str(), stdout);
    return 0;
  }
  throw std::runtime_error("no page " + line.argument + base::suggestion(line.argument, names));
}

}  // namespace lictor::daemon
