#include "config/options_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "config/suggest.h"

namespace lictor::config {
namespace {

std::vector<std::string_view> toml_keys() {
  std::vector<std::string_view> keys;
  for (const Option& option : option_table()) {
    if (!option.toml_key.empty()) keys.push_back(option.toml_key);
  }
  return keys;
}

std::vector<std::string_view> toml_sections() {
  std::vector<std::string_view> sections;
  for (const std::string_view key : toml_keys()) sections.push_back(key.substr(0, key.find('.')));
  return sections;
}

bool is_section(std::string_view name) {
  const auto sections = toml_sections();
  return std::find(sections.begin(), sections.end(), name) != sections.end();
}

const Option* find_by_toml_key(std::string_view key) {
  for (const Option& option : option_table()) {
    if (!option.toml_key.empty() && option.toml_key == key) return &option;
  }
  return nullptr;
}

// The value as text, or nothing when TOML's type does not suit the option: 8000 is no path, "256" no number.
std::optional<std::string> as_text(OptionType type, const toml::node& node) {
  const bool may_be_number = type == OptionType::integer || type == OptionType::bytes || type == OptionType::duration;
  if (const auto* number = node.as_integer(); number && may_be_number) return std::to_string(number->get());
  if (const auto* yes = node.as_boolean(); yes && type == OptionType::boolean) return yes->get() ? "on" : "off";
  if (const auto* text = node.as_string(); text && type != OptionType::integer) return text->get();
  return {};
}

class FileReader {
 public:
  explicit FileReader(std::string path) : path_(std::move(path)) {}

  void read_root(const toml::table& root) {
    for (const auto& [key, node] : root) {
      if (const toml::table* section = node.as_table(); section && is_section(key.str())) {
        read_section(std::string(key.str()), *section);
      } else {
        refuse_name(std::string(key.str()), node, node.is_table() ? toml_sections() : toml_keys());
      }
    }
  }

  void refuse(const std::string& where, const std::string& what) {
    found_.problems.push_back(fmt::format("{}{}: {}", path_, where, what));
  }

  FileSettings take() { return std::move(found_); }

 private:
  void read_section(const std::string& section, const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string name = section + '.' + std::string(key.str());
      if (const Option* option = find_by_toml_key(name)) {
        read_value(*option, name, node);
      } else {
        refuse_name(name, node, toml_keys());
      }
    }
  }

  void read_value(const Option& option, const std::string& name, const toml::node& node) {
    if (auto text = as_text(option.type, node)) {
      found_.settings.push_back({&option, std::move(*text), fmt::format("{}{}, {}", path_, line_of(node), name)});
    } else {
      std::ostringstream value;  // as the file has it, with its type
      node.visit([&](const auto& typed) { value << typed; });
      value << " (a TOML " << node.type() << ")";
      refuse(line_of(node), fmt::format("option {} ({}) does not take {}; allowed: {}", option.name, name, value.str(),
                                        allowed_text(option)));
    }
  }

  void refuse_name(const std::string& name, const toml::node& node, const std::vector<std::string_view>& candidates) {
    refuse(line_of(node),
           fmt::format("unknown {} {}{}", node.is_table() ? "section" : "key", name, suggestion(name, candidates)));
  }

  static std::string line_of(const toml::node& node) { return fmt::format(", line {}", node.source().begin.line); }

  std::string path_;
  FileSettings found_;
};

}  // namespace

FileSettings read_options_file(const std::filesystem::path& path, const std::string& origin) {
  FileReader reader(path.string());
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  // Reading from an empty file sets failbit too; a directory opens but can't be read.
  if (!file || (file.peek() != std::ifstream::traits_type::eof() && !(content << file.rdbuf())) || file.bad()) {
    const int error = errno;
    reader.refuse("", fmt::format("the config file (from {}) can't be read: {}", origin, std::strerror(error)));
    return reader.take();
  }
  const toml::parse_result result = toml::parse(content.str());
  if (result) {
    reader.read_root(result.table());
  } else {
    const auto& error = result.error();
    const auto& at = error.source().begin;
    reader.refuse(fmt::format(", line {}, column {}", at.line, at.column), std::string(error.description()));
  }
  return reader.take();
}

}  // namespace lictor::config
