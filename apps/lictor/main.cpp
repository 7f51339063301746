// lictor: the administrator's command line.
#include <curl/curl.h>

#include <cstdio>
#include <exception>

#include "crypto/crypto.h"
#include "lictor/command_line.h"
#include "lictor/error.h"

int main(int argc, char** argv) {
  using lictor::cli::ExitCode;
  ExitCode code = ExitCode::success;
  try {
    lictor::crypto::initialize();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    lictor::cli::Session session(lictor::base::SystemClock().now());
    code = lictor::cli::run(session, argc, argv);
  } catch (const lictor::cli::CommandError& error) {
    lictor::cli::print_error(error.what(), error.hint());
    code = error.exit_code();
  } catch (const std::exception& error) {
    lictor::cli::print_error(error.what(), {});
    code = ExitCode::refused;
  }
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (!written && code == ExitCode::success) {
    lictor::cli::print_error("the output could not be written", {});
    code = ExitCode::refused;
  }
  return static_cast<int>(code);
}
