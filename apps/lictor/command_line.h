// The grammar of the command line.
#pragma once

#include "lictor/error.h"
#include "lictor/session.h"

namespace lictor::cli {

// Parses and runs one command. Throws CommandError when it is refused in any way.
ExitCode run(Session& session, int argc, const char* const* argv);

}  // namespace lictor::cli
