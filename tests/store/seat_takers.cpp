#include "store/seat_takers.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <utility>
#include <vector>

#include "store/conformance.h"

namespace lictor::test {
namespace {

constexpr const char* kOption = "--take-seats";

std::unique_ptr<store::Store> open_server(const std::string& url) {
  if (url.starts_with("mysql:")) return store::open_mysql({.url = url, .on_commit = {}});
  return store::open_postgres({.url = url, .on_commit = {}});
}

template <class Number>
bool read_number(int file, Number& number) {
  return read(file, &number, sizeof number) == static_cast<ssize_t>(sizeof number);
}
template <class Number>
bool write_number(int file, Number number) {
  return write(file, &number, sizeof number) == static_cast<ssize_t>(sizeof number);
}

}  // namespace

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool Writer::submit(Work work) {
  std::future<bool> answer;
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(std::move(work), std::promise<bool>());
    answer = queue_.back().second.get_future();
  }
  wake_.notify_one();
  return answer.get();
}

void Writer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto batch = std::move(queue_);
    queue_.clear();
    lock.unlock();
    std::vector<bool> outcomes;
    store_.write([&](store::Tx& tx) {
      outcomes.clear();
      for (auto& [work, answer] : batch) outcomes.push_back(work(tx));
    });
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i].second.set_value(outcomes[i]);
    lock.lock();
  }
}

bool take_seat(store::Tx& tx, std::uint64_t number, const std::string& client_id) {
  const std::vector refs{by_id(number, client_id)};
  auto license = tx.lock(refs).front().value();
  const std::vector<store::SeatQuery> queries{{license.row, client_id}};
  if (const auto own = tx.activations(queries).front(); own && own->held) return true;
  if (license.state.seats_held >= kSeats) return false;
  ++license.state.seats_held;
  store::Changes changes;
  changes.licenses.push_back({license.row, license.state});
  changes.activations.push_back(held_seat(license.row, client_id));
  changes.events.push_back(event("seat.granted"));
  tx.apply(changes);
  return true;
}

void run_threads(unsigned count, const std::function<void(unsigned)>& work) {
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < count; ++number) threads.emplace_back([&work, number] { work(number); });
  for (std::thread& thread : threads) thread.join();
}

unsigned take_seats(store::Store& store, std::uint64_t license, unsigned threads, const std::string& process) {
  std::atomic<unsigned> granted{0};
  Writer writer(store);
  run_threads(threads, [&](unsigned thread) {
    const std::string client = process + "-" + std::to_string(thread);
    if (writer.submit([&](store::Tx& tx) { return take_seat(tx, license, client); })) ++granted;
  });
  return granted;
}

SecondProcess::SecondProcess(const std::string& url, unsigned threads) {
  int commands[2], answers[2];
  if (pipe2(commands, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  process_ = fork();
  if (process_ == 0) {
    dup2(commands[0], STDIN_FILENO);
    dup2(answers[1], STDOUT_FILENO);
    execl("/proc/self/exe", "test_store", kOption, url.c_str(), std::to_string(threads).c_str(), nullptr);
    _exit(127);
  }
  close(commands[0]);
  close(answers[1]);
  commands_ = commands[1];
  answers_ = answers[0];
}

SecondProcess::~SecondProcess() {
  close(commands_);
  close(answers_);
  waitpid(process_, nullptr, 0);
}

void SecondProcess::begin(std::uint64_t license) {
  if (!write_number(commands_, license)) throw std::runtime_error("the second process takes no command");
}

std::optional<unsigned> SecondProcess::end() {
  unsigned granted = 0;
  if (!read_number(answers_, granted)) return std::nullopt;
  return granted;
}

std::optional<int> run_as_second_process(int argc, char** argv) {
  if (argc != 4 || std::string_view(argv[1]) != kOption) return std::nullopt;
  const auto store = open_server(argv[2]);
  const auto threads = static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10));
  std::uint64_t license = 0;
  while (read_number(STDIN_FILENO, license)) {
    if (!write_number(STDOUT_FILENO, take_seats(*store, license, threads, "second"))) return 1;
  }
  return 0;
}

}  // namespace lictor::test
