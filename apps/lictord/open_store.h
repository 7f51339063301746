// Opens the database that the options name.
#pragma once

#include <exception>
#include <functional>
#include <memory>

#include "config/options.h"
#include "store/store.h"

namespace lictor::daemon {

// It was told to end (SIGINT, SIGTERM) while it waited for a database.
struct EndedWhileWaiting final : std::exception {
  const char* what() const noexcept override { return "ended while it waited for the database"; }
};

// Throws StoreError that names the reason. `on_wait` is called with the reason each time a server can't be reached and
// --wait-for-database says to try again. `on_commit`: duration of each commit.
std::unique_ptr<store::Store> open_store(const config::Options& options, std::function<void(double seconds)> on_commit,
                                         const std::function<void(const char* why)>& on_wait);

}  // namespace lictor::daemon
