#include "lictord/liveness.h"

#include <fmt/format.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace lictor::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kRetryPause{5};      // when a queue is full: under load, room comes soon
constexpr milliseconds kReportDelay{1000};  // an I/O thread reports four times a second, on a machine that has time

// Whether an answer has come. Shared with a job that may be late.
class Answer {
 public:
  void arrive() noexcept {
    {
      const std::lock_guard lock(mutex_);
      arrived_ = true;
    }
    wake_.notify_all();
  }
  bool wait_until(steady_clock::time_point end) {
    std::unique_lock lock(mutex_);
    return wake_.wait_until(lock, end, [this] { return arrived_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool arrived_ = false;
};

struct ReadProbe final : service::ReadJob {
  explicit ReadProbe(std::shared_ptr<Answer> to) : answer(std::move(to)) {}
  void run(store::Reader& reader) override { reader.ping(); }
  void finish(std::unique_ptr<service::ReadJob> /*self*/, bool /*failed*/) noexcept override { answer->arrive(); }
  const std::shared_ptr<Answer> answer;
};

// A transaction that changes nothing: it takes the way of every write, up to the commit, and costs no fsync.
struct WriteProbe final : service::AdminJob {
  explicit WriteProbe(std::shared_ptr<Answer> to) : answer(std::move(to)) {
    work = [](store::Tx&, base::UnixSeconds, std::vector<store::Event>&) { return true; };
  }
  void finish(std::unique_ptr<service::Job> /*self*/, End /*end*/) noexcept override { answer->arrive(); }
  const std::shared_ptr<Answer> answer;
};

template <class Target, class Job>
bool submit_until(Target& target, std::unique_ptr<Job>& job, steady_clock::time_point end) {
  while (!target.submit(job)) {
    if (steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(kRetryPause);
  }
  return true;
}

}  // namespace

std::string find_what_hangs(const http::Server& server, service::WritePath& writes, service::ReadPool& reads,
                            milliseconds bound) {
  const auto begin = steady_clock::now();
  const auto end = begin + bound;
  const auto read = std::make_shared<Answer>();
  const auto written = std::make_shared<Answer>();
  std::unique_ptr<service::ReadJob> read_probe = std::make_unique<ReadProbe>(read);
  std::unique_ptr<service::AdminJob> write_probe = std::make_unique<WriteProbe>(written);
  if (!submit_until(reads, read_probe, end)) return "the read queue stays full";
  if (!submit_until(writes, write_probe, end)) return "the write queue stays full";
  if (!read->wait_until(end)) return fmt::format("no read ended within {} ms", bound.count());
  if (!written->wait_until(end)) return fmt::format("no transaction ended within {} ms", bound.count());
  const auto silent = std::chrono::duration_cast<milliseconds>(begin - server.slowest_report());
  if (silent > std::max(bound, kReportDelay)) return fmt::format("an I/O thread is stuck for {} ms", silent.count());
  return {};
}

}  // namespace lictor::daemon
