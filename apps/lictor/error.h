// How a command ends. The numbers are documented in `lictor --help` and stay as they are.
#pragma once

#include <boost/json/object.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace lictor::cli {

enum class ExitCode : int {
  success = 0,
  refused = 1,          // by the server, by the person who was asked, or: the audit log is not whole
  usage = 2,            // the command line is wrong; nothing was sent
  unreachable = 3,      // no lictord answers
  unauthenticated = 4,  // no API key, a bad one, or one that may not do this
  changed = 5,          // somebody else changed it since --if-match was read
};

// Ends the command: caught once, in main(), which prints `lictor: what()` and the hint on stderr.
class CommandError : public std::runtime_error {
 public:
  CommandError(ExitCode exit_code, const std::string& message, std::string hint = {})
      : std::runtime_error(message), exit_code_(exit_code), hint_(std::move(hint)) {}
  ExitCode exit_code() const noexcept { return exit_code_; }
  const std::string& hint() const noexcept { return hint_; }  // what to do about it; may be empty

 private:
  ExitCode exit_code_;
  std::string hint_;
};

// The server's own refusal: its code and details, for a command that can do better than print it.
class RefusedError : public CommandError {
 public:
  RefusedError(ExitCode exit_code, const std::string& message, const std::string& hint, std::string code,
               boost::json::object details)
      : CommandError(exit_code, message, hint), code_(std::move(code)), details_(std::move(details)) {}
  const std::string& code() const noexcept { return code_; }
  const boost::json::object& details() const noexcept { return details_; }

 private:
  std::string code_;
  boost::json::object details_;
};

}  // namespace lictor::cli
