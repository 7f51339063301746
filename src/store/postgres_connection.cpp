#include "store/postgres_connection.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "store/refused_error.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

constexpr Oid kInt8 = 20, kText = 25, kBytea = 17;  // pg_type.dat
constexpr int kBinary = 1;
constexpr int kConnectTries = 20;
constexpr const char* kOnlyReads =
    " (is it a standby? Name the primary, or all hosts: the one that is written to is found)";

// https://www.postgresql.org/docs/15/errcodes-appendix.html
Kind kind_of_state(std::string_view state) {
  const auto is_class = [state](std::string_view wanted) { return state.starts_with(wanted); };
  if (state == "23505") return Kind::unique_violation;
  if (state == "23503") return Kind::in_use;
  if (state == "40001" || state == "40P01" || state == "55P03") return Kind::retry;
  if (state == "53100") return Kind::disk_full;
  // A server that reads only is not the primary any more: another one may be. Found anew with the next connection.
  if (state == "25006") return Kind::connection_lost;
  if (state == "LM001") return Kind::moved;  // raised by the triggers of postgres_end.cpp
  if (is_class("08") || is_class("57P") || state == "53300" || state == "25P03") return Kind::connection_lost;
  if (is_class("XX")) return Kind::corrupt;
  return Kind::other;
}

std::int64_t big_endian(const char* data, int size) noexcept {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i) value = (value << 8U) | static_cast<unsigned char>(data[i]);
  if (size < 8 && size > 0 && (static_cast<unsigned char>(data[0]) & 0x80U) != 0) value |= ~0ULL << (8 * size);
  return static_cast<std::int64_t>(value);
}

// libpq gives no SQLSTATE of a connection that was refused. A server that speaks another language than English passes
// for one that can't be reached.
bool is_refusal(std::string_view reason) {
  constexpr std::array<std::string_view, 3> kRefusals{"password authentication failed", "no pg_hba.conf entry",
                                                      "does not exist"};
  const auto says = [reason](std::string_view words) { return reason.find(words) != std::string_view::npos; };
  // Of several hosts one may only be away. A socket that "does not exist" says so in the words of the system.
  if (says("no password supplied")) return true;
  // Of the URL itself, before any host was asked.
  if (says("does not support SSL") || says("invalid response to SSL negotiation")) return true;
  if (says("invalid port number") || says("invalid integer value") || says("could not match")) return true;
  if (reason.starts_with("invalid ") && says(" value: ")) return true;
  return std::ranges::any_of(kRefusals, says) && says("FATAL:") && !says("refused") && !says("timeout") &&
         !says("could not translate");
}

std::string trimmed(const char* message) {
  std::string text;
  for (const char c : std::string_view(message == nullptr ? "" : message)) {
    const bool is_space = c == '\n' || c == '\t' || c == ' ';
    if (!is_space) text += c;
    if (is_space && !text.empty() && text.back() != ' ') text += ' ';
  }
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

PostgresConnection::Parameter parameter_of(const Value& value, std::array<char, 8>& bytes) {
  switch (value.kind) {
    case Value::Kind::number:
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value.number) >> (8 * (bytes.size() - 1 - i)));
      }
      return {kInt8, bytes.data(), static_cast<int>(bytes.size())};
    case Value::Kind::text:
      return {kText, value.data, static_cast<int>(value.size)};
    case Value::Kind::blob:
      return {kBytea, value.data, static_cast<int>(value.size)};
    case Value::Kind::array:
      return {static_cast<Oid>(value.number), value.data, static_cast<int>(value.size)};
    case Value::Kind::null:
      break;
  }
  return {kInt8, nullptr, 0};  // only times are NULL
}

}  // namespace

std::string with_dollar_parameters(std::string_view sql, std::size_t& highest) {
  std::string text;
  text.reserve(sql.size() + 16);
  highest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '\'') quoted = !quoted;
    if (sql[i] != '?' || quoted) {
      text += sql[i];
      continue;
    }
    std::size_t number = 0;
    while (i + 1 < sql.size() && sql[i + 1] >= '0' && sql[i + 1] <= '9') {
      number = number * 10 + static_cast<std::size_t>(sql[++i] - '0');
    }
    if (number == 0) number = highest + 1;
    highest = std::max(highest, number);
    text.append("$").append(std::to_string(number));
  }
  return text;
}

PostgresConnection::PostgresConnection(Options options) : options_(std::move(options)) {
  try {
    open();
  } catch (...) {
    close();
    throw;
  }
}

PostgresConnection::~PostgresConnection() { close(); }

void PostgresConnection::close() noexcept {
  if (connection_ == nullptr) return;
  PQfinish(std::exchange(connection_, nullptr));
  counted_.reset();
}

bool PostgresConnection::is_old() const noexcept {
  return options_.recycle.count() > 0 && std::chrono::steady_clock::now() - opened_at_ > options_.recycle;
}

// The host may have several addresses, and the URI several hosts: libpq tries them in turn, each for the timeout, and
// takes the first that is written to. Readers, too: a standby has not yet what was acknowledged.
void PostgresConnection::open() {
  queued_.clear();
  in_transaction_ = false;
  ++generation_;
  const auto seconds = std::max<std::int64_t>(2, std::chrono::ceil<std::chrono::seconds>(options_.timeout).count());
  const std::string timeout = std::to_string(options_.timeout.count() == 0 ? 0 : seconds);
  const std::string user_timeout = std::to_string(options_.timeout.count());
  const std::array keys{"dbname",
                        "client_encoding",
                        "application_name",  // by which lictord migrate knows servers: the URI's does not count
                        "connect_timeout",
                        "tcp_user_timeout",
                        "keepalives_idle",
                        "keepalives_interval",
                        "keepalives_count",
                        "target_session_attrs",
                        static_cast<const char*>(nullptr)};
  const std::array values{options_.url.c_str(),
                          "UTF8",
                          options_.application.c_str(),
                          timeout.c_str(),
                          user_timeout.c_str(),
                          "5",
                          "2",
                          "3",
                          "read-write",
                          static_cast<const char*>(nullptr)};
  // libpq measures its timeout by the wall clock. When that is set meanwhile, the time is over before it has passed.
  for (int tries = 0; tries < kConnectTries; ++tries) {
    const auto start = std::chrono::steady_clock::now();
    close();
    connection_ = PQconnectdbParams(keys.data(), values.data(), 1);
    if (connection_ == nullptr) throw std::bad_alloc();
    const bool timed_out = std::string_view(PQerrorMessage(connection_)).find("timeout expired") != std::string::npos;
    if (!timed_out || std::chrono::steady_clock::now() - start >= std::chrono::seconds(seconds)) break;
  }
  if (PQstatus(connection_) != CONNECTION_OK) {
    const std::string reason = trimmed(PQerrorMessage(connection_));
    const bool only_reads = reason.find("session is read-only") != std::string::npos;
    if (!only_reads && is_refusal(reason))
      throw RefusedError("database " + options_.shown + " can't be used: " + reason);
    throw StoreError(Kind::connection_lost,
                     "database " + options_.shown + " can't be reached: " + reason + (only_reads ? kOnlyReads : ""));
  }
  opened_at_ = std::chrono::steady_clock::now();
  if (options_.counters) counted_.emplace(options_.counters);
  set_up();
}

void PostgresConnection::set_up() {
  PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
  PQsetNoticeReceiver(connection_, note_warning, this);  // libpq's own writes to stderr
  if (PQsetnonblocking(connection_, 1) != 0) fail_lost("non-blocking mode");
  // What is acknowledged is on the disk; the server's default may have been weakened.
  run_text(options_.read_only
               ? "SET default_transaction_read_only = on; SET jit = off"
               : "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting("
                 "'synchronous_commit') NOT IN ('on', 'remote_apply'); SET jit = off; SET lock_timeout = '20s'; "
                 "SET idle_in_transaction_session_timeout = '60s'",
           Patience::timeout);
  if (!options_.settings.empty()) run_text(options_.settings.c_str(), Patience::timeout);
  if (PQenterPipelineMode(connection_) != 1) fail_lost("pipeline mode");
}

void PostgresConnection::ensure_open() {
  const bool is_good = connection_ != nullptr && PQstatus(connection_) == CONNECTION_OK;
  if (is_good && (in_transaction_ || !queued_.empty() || !is_old())) return;
  if (in_transaction_) throw StoreError(Kind::connection_lost, "database " + name() + ": the connection was lost");
  open();
}

void PostgresConnection::note_warning(void* connection, const PGresult* notice) {
  const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity != nullptr && std::string_view(severity) == "WARNING")
    static_cast<PostgresConnection*>(connection)->was_warned_ = true;
}

// The statement's own errors leave the connection as it is.
void PostgresConnection::note_lost(StoreError::Kind kind) noexcept {
  if (kind != Kind::connection_lost) return;
  if (counted_) counted_->note_lost();
  close();
  queued_.clear();
}

void PostgresConnection::fail_lost(const std::string& what) {
  const std::string reason = connection_ == nullptr ? "" : trimmed(PQerrorMessage(connection_));
  note_lost(Kind::connection_lost);
  throw StoreError(Kind::connection_lost,
                   "database " + name() + ": " + what + (reason.empty() ? "" : " (" + reason + ")"));
}

StoreError PostgresConnection::error_of(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const bool lost = connection_ == nullptr || PQstatus(connection_) != CONNECTION_OK;
  const Kind kind = lost || state == nullptr ? Kind::connection_lost : kind_of_state(state);
  // Without the statement, which the whole message quotes.
  const char* const primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const bool needs_rights = state != nullptr && std::string_view(state) == "42501";
  return {kind, "database " + name() + ": " + trimmed(primary != nullptr ? primary : PQresultErrorMessage(result)) +
                    (needs_rights ? "; the account must own the database and what is in it" : "")};
}

void PostgresConnection::wait(bool for_writing, Patience patience) {
  pollfd socket{PQsocket(connection_), static_cast<short>(POLLIN | (for_writing ? POLLOUT : 0)), 0};
  const bool forever = patience == Patience::endless || options_.timeout.count() == 0;
  const int timeout = forever ? -1 : static_cast<int>(options_.timeout.count());
  int ready = 0;
  do {
    ready = ::poll(&socket, 1, timeout);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) fail_lost("no answer within " + std::to_string(timeout) + " ms");
  if (ready < 0) fail_lost("waiting for the answer failed");
}

void PostgresConnection::send_all() {
  while (true) {
    const int left = PQflush(connection_);
    if (left == 0) return;
    if (left < 0) fail_lost("the connection was lost");
    wait(true, Patience::timeout);
    if (PQconsumeInput(connection_) == 0) fail_lost("the connection was lost");
  }
}

PGresult* PostgresConnection::next_result(Patience patience) {
  while (PQisBusy(connection_) != 0) {
    wait(false, patience);
    if (PQconsumeInput(connection_) == 0) fail_lost("the connection was lost");
  }
  return PQgetResult(connection_);
}

void PostgresConnection::check_sent(int sent) {
  if (sent == 0) fail_lost("a statement can't be sent");
}

PostgresConnection::Known& PostgresConnection::known(std::string_view sql) {
  const auto found = known_.find(sql);
  if (found != known_.end()) return *found->second;
  auto statement = std::make_unique<Known>();
  statement->sql = with_dollar_parameters(sql, statement->parameters);
  statement->name = "s" + std::to_string(known_.size());
  return *known_.emplace(std::string(sql), std::move(statement)).first->second;
}

void PostgresConnection::prepare_for(Known& statement, std::span<const Parameter> parameters) {
  if (statement.prepared_in == generation_) return;
  std::vector<Oid> types;
  for (const Parameter& parameter : parameters) types.push_back(parameter.type);
  check_sent(PQsendPrepare(connection_, statement.name.c_str(), statement.sql.c_str(), static_cast<int>(types.size()),
                           types.data()));
  queued_.push_back({&statement});
  statement.prepared_in = generation_;
}

void PostgresConnection::queue(Known& statement, std::span<const Parameter> parameters) {
  ensure_open();
  prepare_for(statement, parameters);
  std::vector<const char*> values;
  std::vector<int> lengths;
  const std::vector<int> formats(parameters.size(), kBinary);
  for (const Parameter& parameter : parameters) {
    values.push_back(parameter.data);
    lengths.push_back(parameter.size);
  }
  check_sent(PQsendQueryPrepared(connection_, statement.name.c_str(), static_cast<int>(values.size()), values.data(),
                                 lengths.data(), formats.data(), kBinary));
  queued_.push_back({});
}

void PostgresConnection::queue(std::string_view sql, std::span<const Value> values) {
  std::vector<std::array<char, 8>> numbers(values.size());
  std::vector<Parameter> parameters;
  for (std::size_t i = 0; i < values.size(); ++i) parameters.push_back(parameter_of(values[i], numbers[i]));
  queue(known(sql), parameters);
}

void PostgresConnection::queue_text(const char* sql) {
  ensure_open();
  check_sent(PQsendQueryParams(connection_, sql, 0, nullptr, nullptr, nullptr, nullptr, kBinary));
  queued_.push_back({});
}

std::vector<PostgresResult> PostgresConnection::flush() {
  std::vector<PostgresResult> results;
  if (queued_.empty()) return results;
  check_sent(PQpipelineSync(connection_));
  send_all();
  std::optional<StoreError> error;
  for (; !queued_.empty(); queued_.pop_front()) {
    PostgresResult result(next_result());
    if (result.get() == nullptr) fail_lost("an answer is missing");
    const ExecStatusType status = PQresultStatus(result.get());
    const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    // What comes behind an error is not tried (PGRES_PIPELINE_ABORTED).
    if (!good && !error) error = error_of(result.get());
    if (!good && connection_ != nullptr && PQstatus(connection_) != CONNECTION_OK) fail_lost("the connection was lost");
    Known* const prepares = queued_.front().prepares;
    if (prepares == nullptr) results.push_back(std::move(result));
    if (prepares != nullptr && !good) prepares->prepared_in = 0;
    PostgresResult end(next_result());  // nullptr: the end of this statement's results
  }
  PostgresResult sync(next_result());
  if (error) {
    note_lost(error->kind());
    throw StoreError(*error);
  }
  return results;
}

PostgresResult PostgresConnection::run(Known& statement, std::span<const Parameter> parameters) {
  queue(statement, parameters);
  auto results = flush();
  PostgresResult result = std::move(results.back());
  const char* const changed = PQcmdTuples(result.get());
  changed_rows_ = *changed == '\0' ? 0 : std::strtoll(changed, nullptr, 10);
  return result;
}

std::int64_t PostgresPrepared::number(int column) const noexcept {
  return is_null(column) ? 0 : big_endian(PQgetvalue(result_.get(), row_, column), length(column));
}

void PostgresPrepared::open(std::span<const Value> values) {
  numbers_.resize(values.size());
  parameters_.clear();
  for (std::size_t i = 0; i < values.size(); ++i) parameters_.push_back(parameter_of(values[i], numbers_[i]));
  adopt(connection_.run(known_, parameters_));
}

void PostgresPrepared::adopt(PostgresResult result) noexcept {
  result_ = std::move(result);
  rows_ = PQntuples(result_.get());
  row_ = -1;
}

std::unique_ptr<Prepared> PostgresConnection::prepare(std::string_view sql) {
  return std::make_unique<PostgresPrepared>(*this, sql);
}

// By the simple protocol, which takes several statements; those behind one that failed are not tried.
void PostgresConnection::run_text(const char* sql, Patience patience) {
  check_sent(PQsendQuery(connection_, sql));
  send_all();
  std::optional<StoreError> error;
  while (true) {
    const PostgresResult result(next_result(patience));
    if (result.get() == nullptr) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && !error) error = error_of(result.get());
  }
  if (!error) return;
  note_lost(error->kind());
  throw StoreError(*error);
}

// May take any time: it also builds the tables and indexes of a large database.
void PostgresConnection::execute(const char* sql) {
  if (connection_ == nullptr) ensure_open();
  const bool pipelined = PQpipelineStatus(connection_) == PQ_PIPELINE_ON;
  if (pipelined) flush();
  if (pipelined && PQexitPipelineMode(connection_) == 0) fail_lost("pipeline mode");
  try {
    run_text(sql, Patience::endless);
  } catch (const StoreError&) {
    if (connection_ != nullptr && pipelined) PQenterPipelineMode(connection_);
    throw;
  }
  if (pipelined && PQenterPipelineMode(connection_) == 0) fail_lost("pipeline mode");
}

// Sent with the first statement of the transaction.
void PostgresConnection::begin() {
  commit_is_unknown_ = false;
  queue_text("BEGIN ISOLATION LEVEL READ COMMITTED");
  in_transaction_ = true;
}

void PostgresConnection::begin_reading() {
  queue_text("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  in_transaction_ = true;
}

void PostgresConnection::commit() {
  queue_text("COMMIT");
  commit_is_unknown_ = true;
  was_warned_ = false;
  std::vector<PostgresResult> results;
  try {
    results = flush();
  } catch (const StoreError&) {
    commit_is_unknown_ = connection_ == nullptr;
    throw;
  }
  // "canceling wait for synchronous replication": it is on this server, and perhaps on no other.
  if (was_warned_) fail_lost("COMMIT came with a warning");
  commit_is_unknown_ = false;
  in_transaction_ = false;
  // A transaction that failed before is rolled back by COMMIT, which says so.
  if (std::string_view(PQcmdStatus(results.back().get())) != "COMMIT")
    throw StoreError(Kind::other, "database " + name() + ": the transaction was rolled back");
}

void PostgresConnection::roll_back() noexcept {
  if (!std::exchange(in_transaction_, false) || connection_ == nullptr) return;
  try {
    queue_text("ROLLBACK");
    flush();
  } catch (const std::exception&) {
    note_lost(Kind::connection_lost);
  }
}

bool PostgresConnection::has_table(std::string_view name) {
  Statement statement(*this, "SELECT to_regclass(?1) IS NOT NULL");
  auto rows = statement.rows(name);
  return rows.next() && rows.flag(0);
}

}  // namespace lictor::store
