#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "store/audit_chain.h"
#include "store/conformance.h"
#include "store/kill_child.h"
#include "store/temp_directory.h"

namespace lictor::test {

std::optional<std::string> killed_child_database(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], kKillChildOption) == 0) return argv[2];
  return std::nullopt;
}

int write_until_killed(const std::string& path) {
  const auto store = store::open_sqlite({.path = path, .checkpoint_pages = 64, .on_commit = {}});
  const store::Row license = store->open_reader()->license(by_id(1), std::nullopt, kNow).value().license.row;
  while (true) {
    std::int64_t total = 0;
    store->write([&](store::Tx& tx) {
      total = tx.usage(std::vector<store::UsageQuery>{{license, "calls", kNow, {}}}).front().total + 1;
      store::Changes changes;
      changes.usage.push_back({license, "calls", kNow, total, std::to_string(total), {{}, {}, "answer", kNow}});
      changes.events.push_back(event("usage.added"));
      tx.apply(changes);
    });
    if (write(STDOUT_FILENO, &total, sizeof total) != sizeof total) return 1;
  }
}

namespace {

pid_t start_writer(const std::string& path, int* output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execl("/proc/self/exe", "test_store", kKillChildOption, path.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  *output = ends[0];
  return child;
}

// The last total that the writer said is safe, having killed it after `count` of them.
std::int64_t last_acknowledged(pid_t child, int output, int count) {
  std::int64_t last = 0;
  std::int64_t total = 0;
  int seen = 0;
  while (read(output, &total, sizeof total) == sizeof total) {
    last = total;
    if (++seen == count) kill(child, SIGKILL);
  }
  close(output);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
  return last;
}

void make_license(const std::string& path) {
  const auto store = store::open_sqlite({.path = path, .checkpoint_pages = 64, .on_commit = {}});
  store->write([&](store::Tx& tx) {
    const store::Row product =
        tx.insert_product({.row = 0, .id = id_of('p', 1), .name = "p", .settings = "{}", .created_at = kNow});
    const store::Row policy = tx.insert_policy(
        {.row = 0, .id = id_of('q', 1), .product = product, .name = "q", .terms = "{}", .created_at = kNow});
    tx.insert_licenses(std::vector{new_license(1, policy)});
  });
}

TEST(SqliteDurability, what_was_acknowledged_survives_kill_9) {
  const TempDirectory directory;
  const std::string path = directory.file("lictor.db");
  make_license(path);
  for (int cycle = 0; cycle < 6; ++cycle) {
    int output = -1;
    const pid_t child = start_writer(path, &output);
    ASSERT_GT(child, 0);
    const std::int64_t acknowledged = last_acknowledged(child, output, 20 + cycle * 37);
    ASSERT_GT(acknowledged, 0);

    const auto store = store::open_sqlite({.path = path, .checkpoint_pages = 64, .on_commit = {}});
    const auto reader = store->open_reader();
    const store::Row license = reader->license(by_id(1), std::nullopt, kNow).value().license.row;
    std::int64_t total = 0;
    store->write([&](store::Tx& tx) {
      total = tx.usage(std::vector<store::UsageQuery>{{license, "calls", kNow, {}}}).front().total;
    });
    // One more may have been committed whose acknowledgement was never written.
    EXPECT_GE(total, acknowledged);
    EXPECT_LE(total, acknowledged + 1);
    EXPECT_EQ(reader->audit_head().sequence, total);
    store::ChainLink link;
    store::EventFilter rest;
    for (bool more = true; more;) {
      const auto page = reader->events(rest, 1'000);
      EXPECT_EQ(store::verify_chain(link, page.events), std::nullopt);
      rest.after = page.next.value_or(0);
      more = page.next.has_value();
    }
    EXPECT_EQ(store::verify_head(link, reader->audit_head()), std::nullopt);
  }
}

}  // namespace
}  // namespace lictor::test
