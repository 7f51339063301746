// lictor completion bash | zsh | fish
#include "lictor/completion.h"

#include <algorithm>
#include <string_view>

#include "lictor/session.h"

namespace lictor::cli {
namespace {

// What the words before the last one have come to.
struct Place {
  std::vector<const CLI::App*> path;
  const CLI::Option* open = nullptr;  // an option that waits for its value
  std::size_t positionals = 0;
  bool only_positionals = false;  // after --
};

bool is_shown(const CLI::App* command) { return !command->get_group().empty(); }

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

const CLI::Option* find_option(const Place& place, const std::string& name) {
  for (const CLI::App* app : place.path) {
    for (const CLI::Option* option : app->get_options()) {
      if (option->nonpositional() && option->check_name(name)) return option;
    }
  }
  return nullptr;
}

void read_word(Place& place, const std::string& word) {
  if (place.open != nullptr) {
    place.open = nullptr;
  } else if (word == "--") {
    place.only_positionals = true;
  } else if (!place.only_positionals && word.size() > 1 && word.front() == '-') {
    const CLI::Option* const option = find_option(place, word);
    if (option != nullptr && option->get_items_expected_max() > 0) place.open = option;
  } else if (const CLI::App* command = find_command(*place.path.back(), word)) {
    place.path.push_back(command);
  } else {
    ++place.positionals;
  }
}

// The choices of an option, or what stands for files.
std::vector<std::string> values_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  if (type == "FILE") return {kCompleteFiles};
  if (type == "DIR") return {kCompleteDirectories};
  std::vector<std::string> values;
  if (type.find('|') == std::string::npos) return values;
  for (std::size_t bar = 0; bar != std::string::npos;) {
    bar = type.find('|');
    values.push_back(type.substr(0, bar));
    type.erase(0, bar == std::string::npos ? type.size() : bar + 1);
  }
  return values;
}

std::vector<std::string> option_names(const Place& place) {
  std::vector<std::string> names;
  for (const CLI::App* app : place.path) {
    for (const CLI::Option* option : app->get_options()) {
      // --help of the last command is the one that counts.
      if (option == app->get_help_ptr() && app != place.path.back()) continue;
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::vector<std::string> names_here(const Place& place) {
  std::vector<std::string> names;
  for (const CLI::App* command : place.path.back()->get_subcommands(is_shown)) {
    names.push_back(command->get_name());
  }
  std::size_t index = 0;
  for (const CLI::Option* option : place.path.back()->get_options()) {
    if (option->nonpositional()) continue;
    if (index++ == place.positionals) names = values_of(*option);
  }
  return names;
}

constexpr const char* kBash = R"(# bash completion of lictor: source <(lictor completion bash)
_lictor() {
  local line words=("${COMP_WORDS[@]:1:COMP_CWORD}") current=${COMP_WORDS[COMP_CWORD]}
  # bash splits --option=value into three words.
  if [[ $current == = ]]; then
    current='' words[-1]=''
  elif ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[COMP_CWORD - 1]} == = ]]; then
    unset 'words[-2]'
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files) compopt -o filenames 2>/dev/null; mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current") ;;
      :directories) compopt -o filenames 2>/dev/null; mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$current") ;;
      *) COMPREPLY+=("$line") ;;
    esac
  done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
}
complete -F _lictor lictor
)";

// A delimiter of its own: the script has )" in it.
constexpr const char* kZsh = R"zsh(#compdef lictor
# zsh completion of lictor: source <(lictor completion zsh)
_lictor() {
  local line
  local -a found
  for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :files) _files ;;
      :directories) _files -/ ;;
      ?*) found+=("$line") ;;
    esac
  done
  ((${#found})) && compadd -a found
}
compdef _lictor lictor
)zsh";

constexpr const char* kFish = R"(# fish completion of lictor: lictor completion fish | source
function __lictor_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l program $words[1]
  set -e words[1]
  for line in ($program __complete $words 2>/dev/null)
    switch $line
      case ':files'
        __fish_complete_path (commandline -ct)
      case ':directories'
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c lictor -f -a '(__lictor_complete)'
)";

struct ScriptOptions {
  std::string shell;
};

void print_script(Session& session, const ScriptOptions& options) {
  session.output().write(options.shell == "bash" ? kBash : options.shell == "zsh" ? kZsh : kFish);
}

}  // namespace

std::string completions(const CLI::App& app, const std::vector<std::string>& words) {
  Place place;
  place.path = {&app};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) read_word(place, words[i]);
  const std::string last = words.empty() ? "" : words.back();
  const std::size_t equals = last.find('=');

  std::vector<std::string> found;
  std::string begin;  // what stays before a value: --status=
  if (place.open != nullptr) {
    found = values_of(*place.open);
  } else if (!place.only_positionals && last.starts_with("--") && equals != std::string::npos) {
    begin = last.substr(0, equals + 1);
    if (const CLI::Option* option = find_option(place, last.substr(0, equals))) found = values_of(*option);
  } else if (!place.only_positionals && last.starts_with('-')) {
    found = option_names(place);
  } else {
    found = names_here(place);
  }
  std::string out;
  for (const std::string& value : found) {
    if (value.front() == ':' || (begin + value).starts_with(last))
      out += (value.front() == ':' ? "" : begin) + value + "\n";
  }
  return out;
}

void add_completion_command(CLI::App& app, Commands commands) {
  auto o = std::make_shared<ScriptOptions>();
  CLI::App& command =
      commands.add(app, "completion", "Print a script that completes command lines in your shell",
                   "lictor completion bash > ~/.local/share/bash-completion/completions/lictor", o, print_script);
  add_choice(command, "shell", o->shell, "Which shell", {"bash", "zsh", "fish"})->required();
}

}  // namespace lictor::cli
