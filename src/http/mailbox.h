// How other threads reach an I/O thread: answers to deferred requests, and the order to stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "http/message.h"

namespace lictor::http {

class Session;

struct Mail {
  Session* session;  // kept by its I/O thread as long as a Deferred for it exists
  std::uint64_t ticket;
  std::unique_ptr<Continuation> continuation;  // null: the Deferred was dropped
};

// Many threads write, the I/O thread reads. Thread-safe. Lives on (closed) while a Deferred refers to it.
class Mailbox {
 public:
  struct Contents {
    std::vector<Mail> mails;
    std::optional<std::chrono::milliseconds> stop_within;
  };

  Mailbox();  // throws std::system_error when there is no file descriptor left
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // An eventfd that becomes readable when something arrives in the empty mailbox: one system call for a burst.
  int wake_descriptor() const noexcept { return wake_descriptor_; }

  // After close() the mail is destroyed instead. A null continuation is a mail too.
  void post(Mail mail);
  void order_stop(std::chrono::milliseconds grace);

  // Swaps everything that waits into `contents`, which must be empty.
  void take(Contents& contents);
  // Nothing is accepted any more; returns what still waited.
  std::vector<Mail> close();

 private:
  void wake() noexcept;

  const int wake_descriptor_;
  std::mutex mutex_;
  Contents contents_;
  bool open_ = true;
};

class Deferred::Target {
 public:
  Target(std::shared_ptr<Mailbox> mailbox, Session* session, std::uint64_t ticket) noexcept
      : mailbox_(std::move(mailbox)), session_(session), ticket_(ticket) {}
  void resume(std::unique_ptr<Continuation> continuation) {
    mailbox_->post({session_, ticket_, std::move(continuation)});
  }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  Session* session_;
  std::uint64_t ticket_;
};

}  // namespace lictor::http
