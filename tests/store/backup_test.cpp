#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "store/audit_chain.h"
#include "store/migrations.h"
#include "store/sqlite_backup.h"
#include "store/sqlite_connection.h"
#include "store/temp_directory.h"

namespace lictor::test {
namespace {

using store::CopyFacts;
using store::StoreError;
using Kind = StoreError::Kind;
namespace fs = std::filesystem;

void append(store::Store& store, int events) {
  store.write([&](store::Tx& tx) {
    store::Changes changes;
    for (int i = 0; i < events; ++i) {
      store::Event event;
      event.action = "test.event";
      event.detail = std::string(200, 'x');
      changes.events.push_back(event);
    }
    tx.apply(changes);
  });
}

class Backup : public testing::Test {
 protected:
  std::unique_ptr<store::Store> open(const std::string& path) {
    return store::open_sqlite({.path = path, .on_commit = {}});
  }
  void make(int events) { append(*open(path_), events); }

  template <class Work>
  StoreError refusal(const Work& work) {
    try {
      work();
    } catch (const StoreError& error) {
      return error;
    }
    ADD_FAILURE() << "it was not refused";
    return {Kind::other, ""};
  }
  static bool says(const StoreError& error, const std::string& words) {
    return std::string(error.what()).find(words) != std::string::npos;
  }

  // Files whose names go on after this one's.
  static int beside(const fs::path& file) {
    int found = 0;
    for (const auto& entry : fs::directory_iterator(file.parent_path())) {
      found += entry.path() != file && entry.path().string().starts_with(file.string()) ? 1 : 0;
    }
    return found;
  }

  TempDirectory directory_;
  const std::string path_ = directory_.file("lictor.db");
  const std::string file_ = directory_.file("copy #1 50%?.db");  // what an address would have to escape
};

class BackupRace : public Backup {};

TEST_F(Backup, holds_what_was_there_and_nothing_stands_beside_it) {
  make(10);
  const auto store = open(path_);
  append(*store, 5);  // in the log only
  const CopyFacts facts = store::back_up(path_, file_, {});
  const auto head = store->open_reader()->audit_head();
  EXPECT_EQ(facts.events, 15);
  EXPECT_EQ(facts.head_hash, head.hash);
  EXPECT_EQ(facts.bytes, static_cast<std::int64_t>(fs::file_size(file_)));
  EXPECT_EQ(facts.schema_version, store::migrations().back().version);
  struct stat status {};
  ASSERT_EQ(stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(beside(file_), 0) << "no draft, no log";
  EXPECT_EQ(store::check_copy(file_).head_hash, facts.head_hash);
  EXPECT_FALSE(fs::exists(file_ + "-wal")) << "checking leaves nothing";
}

TEST_F(Backup, of_a_database_that_nobody_uses) {
  make(3);
  EXPECT_EQ(store::back_up(path_, file_, {}).events, 3);
  EXPECT_EQ(open(path_)->open_reader()->audit_head().sequence, 3);
}

TEST_F(BackupRace, with_a_writer_is_one_moment) {
  make(2000);
  const auto store = open(path_);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    while (!done) append(*store, 50);
  });
  for (int round = 0; round < 5; ++round) {
    store::CopyOptions options;
    options.replace = true;
    const std::int64_t before = store->open_reader()->audit_head().sequence;
    const CopyFacts facts = store::back_up(path_, file_, options);
    EXPECT_GE(facts.events, before);
    const auto copy = open(file_);
    store::ChainLink link;
    store::EventFilter filter;
    for (auto reader = copy->open_reader();;) {
      filter.after = link.sequence;
      const auto events = reader->events(filter, 1000).events;
      ASSERT_EQ(store::verify_chain(link, events), std::nullopt);
      if (events.empty()) break;
    }
    EXPECT_EQ(link.sequence, facts.events);
  }
  done = true;
  writer.join();
}

TEST_F(Backup, refuses_what_is_in_the_way_and_leaves_it) {
  make(1);
  std::ofstream(file_) << "mine";
  const auto error = refusal([&] { store::back_up(path_, file_, {}); });
  EXPECT_TRUE(says(error, "exists") && says(error, "--force")) << error.what();
  EXPECT_EQ(fs::file_size(file_), 4U);
  store::CopyOptions replace;
  replace.replace = true;
  EXPECT_EQ(store::back_up(path_, file_, replace).events, 1);
  EXPECT_TRUE(says(refusal([&] { store::back_up(path_, path_, replace); }), "the database itself"));
  EXPECT_TRUE(says(refusal([&] { store::back_up(directory_.file("none.db"), file_, replace); }), "No such file"));
  EXPECT_EQ(store::check_copy(file_).events, 1) << "still the one before";
  EXPECT_EQ(refusal([&] { store::back_up(path_, "/nonexistent/x", {}); }).kind(), Kind::other);
}

// FILE.partial was opened if it was there: a file that a stranger had made in a shared directory got the data, and a
// user's own was overwritten.
TEST_F(Backup, a_file_of_the_name_of_a_draft_is_left_alone) {
  make(1);
  std::ofstream(file_ + ".partial") << "mine";
  store::back_up(path_, file_, {});
  EXPECT_EQ(fs::file_size(file_ + ".partial"), 4U);
  EXPECT_EQ(store::check_copy(file_).events, 1);
  fs::rename(path_, path_ + ".partial");  // a database of that name, beside a target of its own
  const auto live = open(path_ + ".partial");
  store::back_up(path_ + ".partial", path_, {});
  append(*live, 1);
  EXPECT_EQ(live->open_reader()->audit_head().sequence, 2);
}

// --force with the name of the log of a database in use put the copy in its place.
TEST_F(Backup, takes_no_place_of_what_a_server_works_with) {
  make(1);
  const auto store = open(path_);
  store::CopyOptions replace;
  replace.replace = true;
  fs::create_directory_symlink(fs::path(path_).parent_path(), directory_.file("way"));
  fs::create_hard_link(path_ + "-wal", directory_.file("second name"));
  for (const std::string& target : {path_ + "-wal", path_ + "-shm", path_ + ".lock", path_ + "-journal",
                                    directory_.file("way/lictor.db-wal"), directory_.file("second name")}) {
    EXPECT_TRUE(says(refusal([&] { store::back_up(path_, target, replace); }), "belongs to the database")) << target;
  }
  append(*store, 1);
  EXPECT_EQ(store->open_reader()->audit_head().sequence, 2);
}

// Root, with --force and /dev/null, made a database of it.
TEST_F(Backup, takes_no_place_of_what_is_no_regular_file) {
  make(1);
  store::CopyOptions replace;
  replace.replace = true;
  const std::string fifo = directory_.file("fifo"), link = directory_.file("link");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  fs::create_symlink(fifo, link);
  EXPECT_TRUE(says(refusal([&] { store::back_up(path_, fifo, replace); }), "no regular file"));
  EXPECT_TRUE(says(refusal([&] { store::back_up(path_, link, replace); }), "symbolic link"));
  EXPECT_TRUE(fs::is_fifo(fifo));
  EXPECT_TRUE(fs::is_symlink(link));
}

TEST_F(Backup, of_a_damaged_database_is_no_backup) {
  make(3000);
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100 * 2048);
    file << std::string(20 * 2048, '\xA5');
  }
  const auto error = refusal([&] { store::back_up(path_, file_, {}); });
  EXPECT_EQ(error.kind(), Kind::corrupt) << error.what();
  EXPECT_FALSE(fs::exists(file_));
  EXPECT_EQ(beside(file_), 0);
}

TEST_F(Backup, is_checked_before_it_is_restored) {
  make(3000);
  const CopyFacts facts = store::back_up(path_, file_, {});
  const std::string target = directory_.file("new.db");
  const auto refused = [&](const std::string& words, Kind kind) {
    const auto error = refusal([&] { store::restore(file_, target, {}); });
    EXPECT_TRUE(says(error, words)) << error.what();
    EXPECT_TRUE(says(error, file_)) << error.what();
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_FALSE(fs::exists(target)) << words;
    EXPECT_EQ(beside(target), 0) << words;
  };
  const auto run = [&](const char* sql) {
    store::SqliteConnection(file_, store::SqliteConnection::Mode::read_write).execute(sql);
  };
  run("INSERT INTO schema_migrations VALUES (77, 'of tomorrow', 0)");
  refused("version 77", Kind::newer_schema);
  run("DELETE FROM schema_migrations WHERE version = 77; UPDATE audit_head SET sequence = 5");
  refused("audit head", Kind::corrupt);
  run("UPDATE audit_head SET sequence = 3000; PRAGMA application_id = 5");
  refused("another program", Kind::other);
  run("PRAGMA application_id = 1281975156");
  EXPECT_EQ(store::check_copy(file_).head_hash, facts.head_hash) << "all is as it was";
  std::ofstream(file_ + "-wal") << "frames";
  refused("-wal stands beside it", Kind::other);
  fs::remove(file_ + "-wal");
  fs::resize_file(file_, fs::file_size(file_) / 2);
  refused("damaged", Kind::corrupt);
  std::ofstream(file_, std::ios::trunc) << std::string(4096, 'x');
  refused("no database", Kind::corrupt);
  std::ofstream(file_, std::ios::trunc).flush();
  refused("empty", Kind::corrupt);
  fs::remove(file_);
  refused("No such file", Kind::other);
}

TEST_F(Backup, restores_into_nothing_and_into_the_place_of_another) {
  make(10);
  store::back_up(path_, file_, {});
  const std::string target = directory_.file("new.db");
  EXPECT_EQ(store::restore(file_, target, {}).events, 10);
  EXPECT_EQ(open(target)->open_reader()->audit_head().sequence, 10);
  append(*open(target), 1);
  EXPECT_TRUE(says(refusal([&] { store::restore(file_, target, {}); }), "--force"));
  store::CopyOptions replace;
  replace.replace = true;
  store::restore(file_, target, replace);
  EXPECT_EQ(open(target)->open_reader()->audit_head().sequence, 10);
  EXPECT_EQ(open(target + ".previous")->open_reader()->audit_head().sequence, 11);
  EXPECT_TRUE(says(refusal([&] { store::restore(file_, target, replace); }), ".previous exists"));
}

TEST_F(Backup, what_a_killed_server_left_in_its_log_is_kept_with_it) {
  make(10);
  store::back_up(path_, file_, {});
  const std::string target = directory_.file("new.db");
  {
    const auto store = open(path_);
    append(*store, 7);  // in the log; copied as a crash would leave both files
    fs::copy_file(path_, target);
    fs::copy_file(path_ + "-wal", target + "-wal");
  }
  store::CopyOptions replace;
  replace.replace = true;
  store::restore(file_, target, replace);
  EXPECT_EQ(open(target)->open_reader()->audit_head().sequence, 10) << "not with the other one's log";
  EXPECT_EQ(open(target + ".previous")->open_reader()->audit_head().sequence, 17) << "with its own log";
}

TEST_F(Backup, a_restore_that_was_interrupted_is_run_again) {
  make(10);
  store::back_up(path_, file_, {});
  append(*open(path_), 1);
  // The worst moment: the old database has both names, its log is gone from under the first.
  fs::create_hard_link(path_, path_ + ".previous");
  EXPECT_EQ(refusal([&] { open(path_); }).kind(), Kind::locked) << "no server starts on it";
  store::CopyOptions replace;
  replace.replace = true;
  store::restore(file_, path_, replace);
  EXPECT_EQ(open(path_)->open_reader()->audit_head().sequence, 10);
  EXPECT_EQ(open(path_ + ".previous")->open_reader()->audit_head().sequence, 11);
}

TEST_F(Backup, is_not_restored_under_a_running_server) {
  make(1);
  store::back_up(path_, file_, {});
  const auto store = open(path_);
  store::CopyOptions replace;
  replace.replace = true;
  const auto error = refusal([&] { store::restore(file_, path_, replace); });
  EXPECT_EQ(error.kind(), Kind::locked);
  EXPECT_TRUE(says(error, "process " + std::to_string(getpid()))) << error.what();
}

}  // namespace
}  // namespace lictor::test
