// Requests and answers without a network: an http::Exchange that keeps the answer, and the queue through which deferred
// ones come back. Everything runs on the thread of the test; only Deferred is touched by others.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "http/mailbox.h"
#include "http/message.h"

namespace lictor::test {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct FakeRequest {
  std::string method, target;
  Headers headers;
  std::string body;
};

struct FakeAnswer {
  int answers = 0;  // must be 1
  int status = 0;
  std::string content_type, body;
  Headers headers;

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (http::equal_names(key, name)) return value;
    }
    return {};
  }
};

class FakeExchange final : public http::Exchange {
 public:
  FakeExchange(FakeRequest request, std::shared_ptr<http::Mailbox> mailbox, std::uint64_t ticket)
      : text_(std::move(request)), mailbox_(std::move(mailbox)), ticket_(ticket) {
    for (const auto& [name, value] : text_.headers) headers_.push_back({name, value});
    const std::string_view target = text_.target;
    const auto mark = target.find('?');
    request_ = {text_.method,
                target,
                target.substr(0, mark),
                mark == target.npos ? std::string_view() : target.substr(mark + 1),
                headers_,
                text_.body,
                "127.0.0.1",
                std::chrono::steady_clock::now()};
  }

  const http::Request& request() const noexcept override { return request_; }
  void respond(int status, std::string_view content_type, std::string_view extra_headers,
               std::string_view body) override {
    if (answer.answers++ > 0) return;
    answer.status = status;
    answer.content_type = content_type;
    answer.body = body;
    while (!extra_headers.empty()) {
      const auto line = extra_headers.substr(0, extra_headers.find("\r\n"));
      if (line.size() == extra_headers.size()) throw std::logic_error("a header line without CRLF");
      extra_headers.remove_prefix(line.size() + 2);
      const auto colon = line.find(": ");
      answer.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
  }
  http::Deferred defer() override {
    ++deferred;
    return http::Deferred(std::make_shared<http::Deferred::Target>(mailbox_, nullptr, ticket_));
  }
  unsigned io_thread() const noexcept override { return 0; }

  FakeAnswer answer;
  int deferred = 0;

 private:
  FakeRequest text_;
  std::vector<http::Header> headers_;
  http::Request request_;
  std::shared_ptr<http::Mailbox> mailbox_;
  std::uint64_t ticket_;
};

// Runs requests through a handler, several at once if need be.
class FakeServer {
 public:
  explicit FakeServer(http::Handler handler) : handler_(std::move(handler)) {}

  std::uint64_t begin(FakeRequest request) {
    const std::uint64_t ticket = ++last_ticket_;
    FakeExchange& exchange =
        *exchanges_.emplace(ticket, std::make_unique<FakeExchange>(std::move(request), mailbox_, ticket)).first->second;
    handler_(exchange);
    return ticket;
  }

  // Runs continuations until that request has its answer.
  FakeAnswer finish(std::uint64_t ticket) {
    FakeExchange& exchange = *exchanges_.at(ticket);
    while (exchange.answer.answers == 0) {
      if (exchange.deferred == 0) throw std::logic_error("neither answered nor deferred");
      drain();
    }
    FakeAnswer answer = std::move(exchange.answer);
    exchanges_.erase(ticket);
    return answer;
  }

  FakeAnswer run(FakeRequest request) { return finish(begin(std::move(request))); }

 private:
  void drain() {
    pollfd descriptor{mailbox_->wake_descriptor(), POLLIN, 0};
    if (poll(&descriptor, 1, 20'000) != 1) throw std::runtime_error("no answer within 20 s");
    eventfd_t count = 0;
    eventfd_read(descriptor.fd, &count);
    http::Mailbox::Contents contents;
    mailbox_->take(contents);
    for (auto& mail : contents.mails) {
      if (!mail.continuation) throw std::logic_error("a Deferred was dropped");
      mail.continuation->run(*exchanges_.at(mail.ticket));
    }
  }

  http::Handler handler_;
  std::shared_ptr<http::Mailbox> mailbox_ = std::make_shared<http::Mailbox>();
  std::map<std::uint64_t, std::unique_ptr<FakeExchange>> exchanges_;
  std::uint64_t last_ticket_ = 0;
};

}  // namespace lictor::test
