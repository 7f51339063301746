#include <gtest/gtest.h>

#include "crypto/crypto.h"
#include "store/kill_child.h"
#include "store/seat_takers.h"

int main(int argc, char** argv) {
  lictor::crypto::initialize();
  if (const auto path = lictor::test::killed_child_database(argc, argv)) {
    return lictor::test::write_until_killed(*path);
  }
  if (const auto status = lictor::test::run_as_second_process(argc, argv)) return *status;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
