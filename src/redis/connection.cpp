#include "redis/connection.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace lictor::redis {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMostUnread = 4 << 20;  // bytes of answers; what is put in has some thousands

timeval as_timeval(milliseconds time) {
  const auto count = std::max<milliseconds::rep>(1, time.count());
  return {.tv_sec = count / 1000, .tv_usec = (count % 1000) * 1000};
}

// No command of ours is answered with an array, and one of a length that is made up would keep a thread busy.
redisReplyObjectFunctions* without_arrays(const redisReplyObjectFunctions& usual) {
  static redisReplyObjectFunctions functions = [&] {
    redisReplyObjectFunctions own = usual;
    own.createArray = [](const redisReadTask*, auto) -> void* { return nullptr; };
    return own;
  }();
  return &functions;
}

struct ReplyDeleter {
  void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
};

Reply read_reply(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      return {Reply::Kind::text, std::string(reply.str, reply.len), 0};
    case REDIS_REPLY_INTEGER:
      return {Reply::Kind::number, {}, reply.integer};
    case REDIS_REPLY_ERROR:
      return {Reply::Kind::error, std::string(reply.str, reply.len), 0};
    default:
      return {};
  }
}

}  // namespace

void Connection::Closer::operator()(redisContext* context) const noexcept { redisFree(context); }

Connection::Connection(const RedisUrl& url, milliseconds limit) : name_(shown(url)) {
  const timeval time = as_timeval(limit);
  context_.reset(url.host.empty() ? redisConnectUnixWithTimeout(url.path.c_str(), time)
                                  : redisConnectWithTimeout(url.host.c_str(), url.port, time));
  if (!context_) throw std::bad_alloc();
  if (context_->err != 0) fail("can't be reached");
  context_->reader->fn = without_arrays(*context_->reader->fn);
  redisSetTimeout(context_.get(), time);  // of a write that finds no room
  if (!url.password.empty() && !url.user.empty()) {
    require_ok({"AUTH", url.user, url.password}, limit, "refuses user or password");
  } else if (!url.password.empty()) {
    require_ok({"AUTH", url.password}, limit, "refuses the password");
  }
  if (url.database != 0) require_ok({"SELECT", std::to_string(url.database)}, limit, "refuses the database");
  require_ok({"PING"}, limit, "takes no commands");
}

void Connection::require_ok(std::initializer_list<std::string_view> words, milliseconds limit, std::string_view what) {
  const Reply reply = ask(words, limit);
  if (reply.kind == Reply::Kind::text) return;
  // The first word is the kind of error; what follows may repeat what was sent.
  throw RedisError(name_ + " " + std::string(what) + " (" + reply.text.substr(0, reply.text.find(' ')) + ")");
}

void Connection::fail(std::string_view what) const {
  const std::string why = context_->err == REDIS_ERR_IO ? std::strerror(errno) : context_->errstr;
  throw RedisError(name_ + " " + std::string(what) + ": " + why);
}

void Connection::put(std::span<const std::string_view> words) {
  constexpr std::size_t kMostWords = 16;
  const char* texts[kMostWords];
  std::size_t sizes[kMostWords];
  if (words.size() > kMostWords) throw std::invalid_argument("a command of too many words");
  for (std::size_t i = 0; i < words.size(); ++i) {
    texts[i] = words[i].data();
    sizes[i] = words[i].size();
  }
  if (redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), texts, sizes) != REDIS_OK)
    throw std::bad_alloc();
  ++put_;
}

void Connection::wait_for(short events, Deadline deadline) const {
  pollfd wanted{context_->fd, events, 0};
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    const int ready = left <= 0 ? 0 : ::poll(&wanted, 1, static_cast<int>(left));
    if (ready > 0) return;
    if (ready == 0) throw RedisError(name_ + " did not answer in time");
    if (errno != EINTR) throw RedisError(name_ + ": " + std::strerror(errno));
  }
}

void Connection::send(Deadline deadline) {
  for (int done = 0; done == 0;) {
    wait_for(POLLOUT, deadline);
    if (redisBufferWrite(context_.get(), &done) != REDIS_OK) fail("can't be written to");
  }
}

Reply Connection::receive(Deadline deadline) {
  while (true) {
    void* found = nullptr;
    if (redisGetReplyFromReader(context_.get(), &found) != REDIS_OK) fail("answers what is no answer");
    if (found != nullptr) {
      const std::unique_ptr<redisReply, ReplyDeleter> reply(static_cast<redisReply*>(found));
      return read_reply(*reply);
    }
    wait_for(POLLIN, deadline);
    if (redisBufferRead(context_.get()) != REDIS_OK) fail("can't be read from");
    if (context_->reader->len > kMostUnread) throw RedisError(name_ + " answers more than was ever put into it");
  }
}

std::vector<Reply> Connection::run(milliseconds limit) {
  const Deadline deadline = std::chrono::steady_clock::now() + limit;
  std::vector<Reply> replies;
  replies.reserve(put_);
  send(deadline);
  for (; put_ > 0; --put_) replies.push_back(receive(deadline));
  return replies;
}

Reply Connection::ask(std::initializer_list<std::string_view> words, milliseconds limit) {
  put(words);
  return std::move(run(limit).front());
}

}  // namespace lictor::redis
