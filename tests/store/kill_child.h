// The test program run again as a writer that is killed.
#pragma once

#include <optional>
#include <string>

namespace lictor::test {

inline constexpr const char* kKillChildOption = "--write-until-killed";

std::optional<std::string> killed_child_database(int argc, char** argv);
// Commits one use after the other and writes each acknowledged total to standard output, as 8 bytes.
int write_until_killed(const std::string& path);

}  // namespace lictor::test
