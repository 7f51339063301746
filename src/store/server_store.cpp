#include "store/server_store.h"

#include <cstring>
#include <utility>

#include "store/queries.h"

namespace lictor::store {
namespace {

constexpr int kTries = 5;

}  // namespace

ServerStore::ServerStore(Parts parts) : parts_(std::move(parts)) {
  Statement statement(*parts_.writer, sql::kMeta);
  auto rows = statement.rows(sql::kDigestKeyName);
  if (!rows.next() || rows.blob(0).size() != digest_key_.size()) {
    parts_.writer->fail_corrupt("the digest key is missing");
  }
  std::memcpy(digest_key_.data(), rows.blob(0).data(), digest_key_.size());
  // Transactions add to it with their COMMIT, when it is too late to find it missing.
  if (!Statement(*parts_.writer, sql::kTotals).rows().next())
    parts_.writer->fail_corrupt("the record of totals is missing");
}

// A transaction that was lost before its COMMIT was sent did nothing, and begins anew once; of one that was lost with
// it the database is asked. Throws commit_unknown when that does not answer either.
void ServerStore::write(const std::function<void(Tx&)>& work) {
  using Kind = StoreError::Kind;
  Connection& writer = *parts_.writer;
  for (int tries = 1;; ++tries) {
    try {
      return write_once(work);
    } catch (const StoreError& error) {
      const bool lost = error.kind() == Kind::connection_lost;
      const bool asks = lost && writer.commit_is_unknown();
      const CommitFate fate = asks ? find_commit(writer, parts_.tx->last_event()) : CommitFate::undone;
      if (fate == CommitFate::done) return note_written();
      if (fate == CommitFate::unknown)
        throw StoreError(Kind::commit_unknown, std::string(error.what()) + "; whether it was committed is not known");
      const bool again = error.kind() == Kind::retry || (lost && fate == CommitFate::undone && tries == 1);
      if (!again || tries == kTries) throw;
    }
  }
}

void ServerStore::write_once(const std::function<void(Tx&)>& work) {
  using Clock = std::chrono::steady_clock;
  Transaction transaction(*parts_.writer);
  parts_.tx->begin_on_server();
  work(*parts_.tx);
  parts_.tx->finish();
  const auto start = Clock::now();
  transaction.commit();
  note_written();
  if (parts_.on_commit) parts_.on_commit(std::chrono::duration<double>(Clock::now() - start).count());
}

ChangePlace ServerStore::last_written() const {
  const ChainLink& last = parts_.tx->last_event();
  if (last.sequence == 0) return {};
  return {last.sequence, std::string(last.hash.begin(), last.hash.end())};
}

}  // namespace lictor::store
