#include "base/choices.h"

#include <algorithm>

namespace lictor::base {

bool is_choice(std::string_view text, std::string_view choices) {
  while (!choices.empty()) {
    const std::string_view choice = choices.substr(0, choices.find('|'));
    if (choice == text) return true;
    choices.remove_prefix(std::min(choices.size(), choice.size() + 1));
  }
  return false;
}

std::string spelled_choices(std::string_view choices) {
  std::string text(choices);
  if (const std::size_t last = text.rfind('|'); last != std::string::npos) text.replace(last, 1, " or ");
  for (std::size_t bar = 0; (bar = text.find('|')) != std::string::npos;) text.replace(bar, 1, ", ");
  return text;
}

}  // namespace lictor::base
