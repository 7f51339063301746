// Connections for those who ask Redis something and must not wait: opened beforehand by whoever has time, and lent. Who
// finds none goes without. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "redis/connection.h"

namespace lictor::redis {

class ConnectionPool {
 public:
  struct Loan {
    std::unique_ptr<Connection> connection;  // nullptr: there was none
    std::uint64_t series = 0;
  };

  explicit ConnectionPool(std::size_t most) : most_(most) {}

  Loan borrow() noexcept;
  void give_back(Loan loan) noexcept;  // one that works; others are let go
  void close();                        // those that are lent, too, when they come back

  // Asks all that are idle whether they still work. Throws RedisError.
  void probe(std::chrono::milliseconds limit);
  // Opens those that are missing. Throws RedisError.
  void fill(const RedisUrl& url, std::chrono::milliseconds limit);

 private:
  const std::size_t most_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::size_t lent_ = 0;
  std::uint64_t series_ = 1;
};

}  // namespace lictor::redis
