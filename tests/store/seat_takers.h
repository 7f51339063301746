// Threads that take seats of a license, in this process and in a second one, as the service does it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "store/store.h"

namespace lictor::test {

inline constexpr std::uint32_t kSeats = 10;  // of each license

// Many callers, one thread that writes what waits in one transaction.
class Writer {
 public:
  using Work = std::function<bool(store::Tx&)>;
  explicit Writer(store::Store& store) : store_(store), thread_([this] { run(); }) {}
  ~Writer();
  bool submit(Work work);  // answers after the commit

 private:
  void run();

  store::Store& store_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<Work, std::promise<bool>>> queue_;
  bool stop_ = false;
  std::thread thread_;
};

// Locks, looks, takes a seat when one is free. Client ids that are asked for again keep their seat.
bool take_seat(store::Tx& tx, std::uint64_t license, const std::string& client_id);

void run_threads(unsigned count, const std::function<void(unsigned)>& work);

// Each of the threads asks for one seat; how many got one.
unsigned take_seats(store::Store& store, std::uint64_t license, unsigned threads, const std::string& process);

// The test program once more, with the database at that URL open beside this process.
class SecondProcess {
 public:
  SecondProcess(const std::string& url, unsigned threads);
  ~SecondProcess();
  SecondProcess(const SecondProcess&) = delete;
  SecondProcess& operator=(const SecondProcess&) = delete;
  void begin(std::uint64_t license);  // take_seats() there
  std::optional<unsigned> end();      // how many got one; nothing: the process ended

 private:
  int commands_ = -1, answers_ = -1;
  int process_ = -1;
};

// What main() does when the test program is that second process; nothing: it is not.
std::optional<int> run_as_second_process(int argc, char** argv);

}  // namespace lictor::test
