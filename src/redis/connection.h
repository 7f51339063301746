// A connection to a Redis server: commands are put one behind the other, sent together and answered together
// (pipelining). The only user of hiredis. One thread at a time.
//
// SIGPIPE must be ignored. Whatever the server does, a call ends within about its limit. What RedisError ends is of no
// more use.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "redis/redis_url.h"

struct redisContext;

namespace lictor::redis {

class RedisError : public std::runtime_error {  // its text holds neither user nor password
 public:
  using std::runtime_error::runtime_error;
};

struct Reply {
  enum class Kind : std::uint8_t { nothing, text, number, error };
  Kind kind = Kind::nothing;
  std::string text;  // of an error: what the server says, "OOM command not allowed …"
  std::int64_t number = 0;
};

class Connection {
 public:
  // Connects, authenticates, chooses the database. A host's name is looked up for as long as the system's resolver
  // takes: never where somebody waits. Throws RedisError.
  Connection(const RedisUrl& url, std::chrono::milliseconds limit);

  void put(std::span<const std::string_view> words);
  void put(std::initializer_list<std::string_view> words) { put(std::span(words.begin(), words.size())); }
  // Sends what was put, and returns an answer to each. Throws RedisError; an answer that says error is none.
  std::vector<Reply> run(std::chrono::milliseconds limit);
  Reply ask(std::initializer_list<std::string_view> words, std::chrono::milliseconds limit);

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  struct Closer {
    void operator()(redisContext* context) const noexcept;
  };

  void send(Deadline deadline);
  Reply receive(Deadline deadline);
  void wait_for(short events, Deadline deadline) const;
  void require_ok(std::initializer_list<std::string_view> words, std::chrono::milliseconds limit,
                  std::string_view what);
  [[noreturn]] void fail(std::string_view what) const;

  const std::string name_;  // for people
  std::unique_ptr<redisContext, Closer> context_;
  std::size_t put_ = 0;
};

}  // namespace lictor::redis
