#include "http/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace lictor::http {

namespace {

int open_eventfd() {
  const int descriptor = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "cannot create an eventfd");
  return descriptor;
}

}  // namespace

Mailbox::Mailbox() : wake_descriptor_(open_eventfd()) {}
Mailbox::~Mailbox() { ::close(wake_descriptor_); }

void Mailbox::wake() noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the reader is awake anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
}

void Mailbox::post(Mail mail) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (!open_) return;  // `mail` is destroyed after the lock is released
    was_empty = contents_.mails.empty();
    contents_.mails.push_back(std::move(mail));
  }
  if (was_empty) wake();
}

void Mailbox::order_stop(std::chrono::milliseconds grace) {
  {
    const std::lock_guard lock(mutex_);
    contents_.stop_within = grace;
  }
  wake();
}

void Mailbox::take(Contents& contents) {
  const std::lock_guard lock(mutex_);
  std::swap(contents, contents_);
}

std::vector<Mail> Mailbox::close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  return std::exchange(contents_.mails, {});
}

Deferred& Deferred::operator=(Deferred&& other) noexcept {
  if (this != &other) {
    Deferred previous(std::move(target_));
    target_ = std::move(other.target_);
  }
  return *this;
}

Deferred::~Deferred() {
  if (target_) resume(nullptr);
}

void Deferred::resume(std::unique_ptr<Continuation> continuation) {
  if (const auto target = std::exchange(target_, nullptr)) target->resume(std::move(continuation));
}

}  // namespace lictor::http
