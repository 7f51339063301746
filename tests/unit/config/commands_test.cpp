#include "config/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace lictor::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

CommandLine parse(std::vector<std::string> arguments, const Environment& environment = {}) {
  std::vector<const char*> argv{"lictord"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data(), environment);
}

TEST(Commands, AreNamedOnceAndExplained) {
  std::set<std::string_view> names;
  for (const Command& command : command_table()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_TRUE(command.summary.ends_with('.')) << command.name;
    EXPECT_EQ(command.argument.empty(), command.argument_help.empty()) << command.name;
    for (const CommandFlag& flag : command.flags) EXPECT_TRUE(flag.help.ends_with('.')) << flag.flag;
  }
}

TEST(Commands, WithoutOneItServes) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{}, {"--demo"}, {""}}) {
    const CommandLine line = parse(arguments);
    EXPECT_EQ(line.command, nullptr);
  }
  EXPECT_TRUE(parse({"--demo"}).outcome.options->server.demo);
}

TEST(Commands, TakeTheirArgumentFlagsAndTheOptionsOfTheServer) {
  const CommandLine line = parse({"backup", "--force", "b.db", "--data", "/d"}, {{"LICTOR_LOG_LEVEL", "debug"}});
  ASSERT_TRUE(line.outcome.options) << line.outcome.text;
  EXPECT_EQ(line.command->name, "backup");
  EXPECT_EQ(line.argument, "b.db");
  EXPECT_TRUE(line.has("--force"));
  EXPECT_FALSE(line.has("--json"));
  EXPECT_EQ(line.outcome.options->database.sqlite_path, "/d/lictor.db");
  EXPECT_EQ(line.outcome.options->log.level, base::Level::debug);
  const CommandLine health = parse({"health", "--live", "--listen", "127.0.0.1:1"});
  ASSERT_TRUE(health.outcome.options) << health.outcome.text;
  EXPECT_EQ(health.outcome.options->server.listen_port, 1);
  EXPECT_TRUE(health.has("--live"));
  const CommandLine check = parse({"check-config", "--batch-max", "3", "--json"});
  ASSERT_TRUE(check.outcome.options) << check.outcome.text;
  EXPECT_EQ(check.outcome.options->database.batch_max, 3U);
  EXPECT_TRUE(check.has("--json"));
}

TEST(Commands, TakeValuesWithTheirOwnFlags) {
  const CommandLine line = parse({"migrate", "--to", "postgresql://h/d?a=b", "--from=sqlite:/x", "--undo"});
  ASSERT_TRUE(line.outcome.options) << line.outcome.text;
  EXPECT_EQ(line.value("--to"), "postgresql://h/d?a=b");
  EXPECT_EQ(line.value("--from"), "sqlite:/x");
  EXPECT_TRUE(line.has("--to"));
  EXPECT_TRUE(line.has("--undo"));
  EXPECT_EQ(line.value("--undo"), "");
  EXPECT_EQ(parse({"migrate", "--to", "sqlite:/y"}).value("--from"), "");
}

struct Refusal {
  std::vector<std::string> arguments;
  std::vector<std::string> said;
};

TEST(Commands, RefuseWhatTheyDoNotTake) {
  const std::vector<Refusal> refusals{
      {{"bakcup", "b.db"}, {"unknown command bakcup; did you mean backup?; the commands are check-config, backup,"}},
      {{"something-else-entirely"}, {"unknown command something-else-entirely; the commands are"}},
      {{"--demo", "backup"}, {"unexpected argument backup: a command is the first argument"}},
      {{"backup"}, {"backup needs FILE", "Run lictord backup --help"}},
      {{"backup", "a", "b"}, {"unexpected argument b\n"}},
      {{"backup", "a", "--batch-max", "3"}, {"unknown flag --batch-max"}},
      {{"restore", "a", "--forse"}, {"unknown flag --forse; did you mean --force?"}},
      {{"restore", "a", "--dta", "x"}, {"unknown flag --dta; did you mean --data?"}},
      {{"admin-key", "x"}, {"unexpected argument x"}},
      {{"health", "--database-url", "sqlite:x"}, {"unknown flag --database-url"}},
      {{"health", "x"}, {"unexpected argument x"}},
      {{"check-config", "--jsn"}, {"unknown flag --jsn; did you mean --json?"}},
      {{"check-config", "--batch-max", "0"}, {"option batch_max: \"0\" (from --batch-max) is refused"}},
      {{"check-config", "--json=maybe"}, {"--json takes no value"}},
      {{"backup", "a", "--force=false"}, {"--force takes no value"}},
      {{"migrate"}, {"migrate needs --to URL: ", "Run lictord migrate --help"}},
      {{"migrate", "--to"}, {"--to"}},
      {{"migrate", "--to=", "--undo"}, {"nothing follows --to="}},
      {{"migrate", "--to", "sqlite:/x", "--frm", "sqlite:/y"}, {"unknown flag --frm; did you mean --from?"}},
  };
  for (const Refusal& refusal : refusals) {
    const CommandLine line = parse(refusal.arguments);
    const std::string asked = testing::PrintToString(refusal.arguments);
    EXPECT_FALSE(line.outcome.options) << asked;
    EXPECT_EQ(line.outcome.exit_code, 2) << asked;
    EXPECT_FALSE(line.outcome.problems.empty()) << asked;
    for (const std::string& part : refusal.said) EXPECT_THAT(line.outcome.text, HasSubstr(part)) << asked;
  }
}

TEST(Commands, HelpTellsOfThemAndHidesWhatIsForTheDocumentation) {
  const std::string all = parse({"--help"}).outcome.text;
  for (const Command& command : command_table()) {
    const std::string shown = "  " + std::string(command.name) + ' ';
    if (command.hidden) {
      EXPECT_THAT(all, Not(HasSubstr(shown)));
      continue;
    }
    EXPECT_THAT(all, HasSubstr(shown)) << command.name;
    const CommandLine own = parse({std::string(command.name), "--help"});
    EXPECT_EQ(own.outcome.exit_code, 0);
    EXPECT_THAT(own.outcome.text, HasSubstr(std::string(command.summary)));
    EXPECT_THAT(own.outcome.text, HasSubstr("--data"));
    for (const CommandFlag& flag : command.flags) EXPECT_THAT(own.outcome.text, HasSubstr(std::string(flag.help)));
    EXPECT_THAT(render_command_table_markdown(), HasSubstr("`lictord " + std::string(command.name)));
  }
}

// ---- where a value comes from --------------------------------------------------------------------------------------

const EffectiveOption& value_of(const CommandLine& line, std::string_view name) {
  const auto found =
      std::ranges::find_if(line.outcome.values, [&](const EffectiveOption& e) { return e.option->name == name; });
  if (found == line.outcome.values.end()) throw std::logic_error("no option " + std::string(name));
  return *found;
}

TEST(EffectiveOptions, NameTheirSourceInTheOrderOfTheTable) {
  const CommandLine line =
      parse({"check-config", "--data", "/d"}, {{"LICTOR_BATCH_MAX", "7"}, {"LICTOR_DATA", "/of/less/weight"}});
  ASSERT_EQ(line.outcome.values.size(), option_table().size());
  for (std::size_t row = 0; row < option_table().size(); ++row) {
    EXPECT_EQ(line.outcome.values[row].option, &option_table()[row]);
  }
  EXPECT_EQ(value_of(line, "data").source, Source::flag);
  EXPECT_EQ(value_of(line, "data").origin, "--data");
  EXPECT_EQ(value_of(line, "data").text, "/d");
  EXPECT_EQ(value_of(line, "batch_max").source, Source::environment);
  EXPECT_EQ(value_of(line, "batch_max").origin, "environment variable LICTOR_BATCH_MAX");
  EXPECT_EQ(value_of(line, "batch_max").value.number, 7);
  EXPECT_EQ(value_of(line, "log_file").source, Source::default_value);
  EXPECT_EQ(value_of(line, "log_file").text, "/d/logs/lictord.log");
  EXPECT_EQ(value_of(line, "config").text, "");
}

TEST(EffectiveOptions, ASecretIsNeverPrinted) {
  Option option = option_table()[0];
  option.secret = true;
  const EffectiveOption effective{&option, Source::flag, "--x", "hunter2", {0, "hunter2"}};
  EXPECT_THAT(printable_text(effective), Not(HasSubstr("hunter")));
  for (const Option& row : option_table()) {
    const bool sounds_secret = row.name.find("password") != row.name.npos || row.name.find("secret") != row.name.npos ||
                               row.name.find("token") != row.name.npos;
    EXPECT_TRUE(!sounds_secret || row.secret) << row.name;
  }
}

TEST(EffectiveOptions, ArePrintedOnOneLine) {
  const CommandLine line = parse({"check-config", "--data", "/a\nb\x1b[31m" + std::string(500, 'x')});
  const std::string shown = printable_text(value_of(line, "data"));
  EXPECT_THAT(shown, testing::StartsWith("/a?b?[31mxxx"));
  EXPECT_LT(shown.size(), 200U);
}

}  // namespace
}  // namespace lictor::config
