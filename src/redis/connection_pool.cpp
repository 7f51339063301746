#include "redis/connection_pool.h"

#include <utility>

namespace lictor::redis {

ConnectionPool::Loan ConnectionPool::borrow() noexcept {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return {};
  Loan loan{std::move(idle_.back()), series_};
  idle_.pop_back();
  ++lent_;
  return loan;
}

void ConnectionPool::give_back(Loan loan) noexcept {
  const std::lock_guard lock(mutex_);
  if (loan.series != series_) return;
  --lent_;
  idle_.push_back(std::move(loan.connection));  // never more than there was room for
}

void ConnectionPool::close() {
  const std::lock_guard lock(mutex_);
  ++series_;
  lent_ = 0;
  idle_.clear();
}

void ConnectionPool::probe(std::chrono::milliseconds limit) {
  std::vector<Loan> loans;
  for (Loan loan = borrow(); loan.connection; loan = borrow()) loans.push_back(std::move(loan));
  for (Loan& loan : loans) {
    loan.connection->ask({"PING"}, limit);
    give_back(std::move(loan));
  }
}

void ConnectionPool::fill(const RedisUrl& url, std::chrono::milliseconds limit) {
  while (true) {
    std::uint64_t series = 0;
    {
      const std::lock_guard lock(mutex_);
      idle_.reserve(most_);
      if (idle_.size() + lent_ >= most_) return;
      series = series_;
    }
    auto connection = std::make_unique<Connection>(url, limit);
    const std::lock_guard lock(mutex_);
    if (series != series_) return;
    idle_.push_back(std::move(connection));
  }
}

}  // namespace lictor::redis
