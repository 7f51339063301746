#include "store/mysql_connection.h"

#include <errmsg.h>
#include <mysqld_error.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <utility>

#include "store/refused_error.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

constexpr std::size_t kIdleStatements = 8;  // kept of each text
// Of MySQL or of newer servers, with the numbers that mysqld_error.h of the other does not have.
constexpr unsigned int kRecordChanged = ER_CHECKREAD, kClientIdle = 4031, kNotReady = ER_UNKNOWN_COM_ERROR;

// https://mariadb.com/kb/en/mariadb-error-codes/, https://dev.mysql.com/doc/mysql-errors/8.0/en/
Kind kind_of(unsigned int error) noexcept {
  switch (error) {
    case ER_DUP_ENTRY:
    case ER_DUP_KEY:
    case ER_DUP_ENTRY_WITH_KEY_NAME:
      return Kind::unique_violation;
    case ER_ROW_IS_REFERENCED:
    case ER_ROW_IS_REFERENCED_2:
    case ER_NO_REFERENCED_ROW:
    case ER_NO_REFERENCED_ROW_2:
      return Kind::in_use;
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
    case kRecordChanged:
      return Kind::retry;
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
      return Kind::disk_full;
    case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION:
      return Kind::read_only;
    case ER_NOT_KEYFILE:
    case ER_CRASHED_ON_USAGE:
    case ER_INDEX_CORRUPT:
      return Kind::corrupt;
    // It is not the primary any more: another one may be, behind the same name.
    case ER_OPTION_PREVENTS_STATEMENT:
    case ER_READ_ONLY_MODE:
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED:
    case ER_ABORTING_CONNECTION:
    case kClientIdle:
    case kNotReady:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_SSL_CONNECTION_ERROR:
    case CR_MALFORMED_PACKET:
    case CR_STMT_CLOSED:
      return Kind::connection_lost;
    default:
      return Kind::other;
  }
}

std::string advice_of(unsigned int error) {
  switch (error) {
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
      return "; the account needs SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX and REFERENCES on the database";
    case ER_OPTION_PREVENTS_STATEMENT:
    case ER_READ_ONLY_MODE:
      return "; name a server that may be written to";
    case ER_NET_PACKET_TOO_LARGE:
      return "; the server needs max_allowed_packet 16M or more";
    case ER_BINLOG_STMT_MODE_AND_ROW_ENGINE:
    case ER_BINLOG_UNSAFE_STATEMENT:
      return "; the server needs binlog_format ROW or MIXED";
    default:
      return {};
  }
}

void initialise_library() {
  static const int once = mysql_library_init(0, nullptr, nullptr);
  static_cast<void>(once);
}

class MysqlPrepared final : public Prepared {
 public:
  MysqlPrepared(MysqlConnection& connection, std::string_view sql)
      : connection_(connection), known_(connection.known(sql)) {
    if (known_.idle.empty()) {
      statement_ = std::make_unique<MysqlStatement>();
    } else {
      statement_ = std::move(known_.idle.back());
      known_.idle.pop_back();
    }
  }
  ~MysqlPrepared() override {
    close();
    if (known_.idle.size() < kIdleStatements) known_.idle.push_back(std::move(statement_));
  }
  MysqlPrepared(const MysqlPrepared&) = delete;
  MysqlPrepared& operator=(const MysqlPrepared&) = delete;

  void run(std::span<const Value> values) override {
    open(values);
    close();
  }
  void open(std::span<const Value> values) override { connection_.run(*statement_, known_.text, values); }
  void run_rows(std::span<const Value> values) override {
    if (!connection_.takes_rows()) return Prepared::run_rows(values);
    connection_.run_rows(*statement_, known_.text, values);
    close();
  }
  bool next() override {
    const auto step = statement_->next();
    if (step == MysqlStatement::Step::failed) connection_.fail(statement_->handle());
    return step == MysqlStatement::Step::row;
  }
  void close() noexcept override { statement_->close(); }
  std::size_t parameters() const noexcept override { return known_.text.parameters; }

  std::int64_t number(int column) const noexcept override { return statement_->number(column); }
  bool is_null(int column) const noexcept override { return statement_->is_null(column); }
  std::string_view text(int column) const noexcept override { return statement_->text(column); }
  std::span<const std::uint8_t> blob(int column) const noexcept override {
    const std::string_view bytes = text(column);
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  }

 private:
  MysqlConnection& connection_;
  MysqlConnection::Known& known_;
  std::unique_ptr<MysqlStatement> statement_;
};

}  // namespace

MysqlConnection::MysqlConnection(Options options) : options_(std::move(options)), shown_(options_.address.shown()) {
  initialise_library();
  try {
    open();
  } catch (...) {
    close();
    throw;
  }
}

MysqlConnection::~MysqlConnection() {
  known_.clear();
  close();
}

void MysqlConnection::close() noexcept {
  if (connection_ != nullptr) mysql_close(std::exchange(connection_, nullptr));
  counted_.reset();
}

void MysqlConnection::open() {
  close();
  in_transaction_ = begins_by_itself_ = false;
  queued_.clear();
  ++generation_;
  connection_ = mysql_init(nullptr);
  if (connection_ == nullptr) throw std::bad_alloc();
  const MysqlAddress& address = options_.address;
  if (options_.timeout.count() != 0) {
    const auto seconds = static_cast<unsigned int>(std::chrono::ceil<std::chrono::seconds>(options_.timeout).count());
    for (const auto option : {MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT, MYSQL_OPT_WRITE_TIMEOUT})
      mysql_optionsv(connection_, option, &seconds);
  }
  // A set of rows goes in one piece: each piece would wake the server.
  const std::size_t buffer = 64 * 1024;
  mysql_optionsv(connection_, MYSQL_OPT_NET_BUFFER_LENGTH, &buffer);
  mysql_optionsv(connection_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  // A server must not ask for files of this machine.
  const unsigned int no = 0;
  mysql_optionsv(connection_, MYSQL_OPT_LOCAL_INFILE, &no);
  const my_bool encrypted = address.tls == MysqlAddress::Tls::disabled ? 0 : 1;
  const my_bool verified = address.tls == MysqlAddress::Tls::verify_identity ? 1 : 0;
  mysql_optionsv(connection_, MYSQL_OPT_SSL_ENFORCE, &encrypted);
  mysql_optionsv(connection_, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified);
  if (!address.tls_ca.empty()) mysql_optionsv(connection_, MYSQL_OPT_SSL_CA, address.tls_ca.c_str());
  const auto protocol = static_cast<unsigned int>(address.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET);
  mysql_optionsv(connection_, MYSQL_OPT_PROTOCOL, &protocol);
  constexpr auto kFlags = static_cast<unsigned long>(CLIENT_FOUND_ROWS | CLIENT_MULTI_STATEMENTS);  // NOLINT
  if (mysql_real_connect(connection_, address.host.c_str(), address.user.c_str(), address.password.c_str(),
                         address.database.c_str(), address.port,
                         address.socket.empty() ? nullptr : address.socket.c_str(), kFlags) == nullptr) {
    const std::string reason = mysql_error(connection_);
    const unsigned int code = mysql_errno(connection_);
    close();
    if (code == ER_ACCESS_DENIED_ERROR || code == ER_DBACCESS_DENIED_ERROR || code == ER_BAD_DB_ERROR)
      throw RefusedError("database " + shown_ + " can't be used: " + reason);
    throw StoreError(Kind::connection_lost, "database " + shown_ + " can't be reached: " + reason);
  }
  // libmariadb goes on without TLS when the server offers none and no certificate is to be verified.
  if (encrypted != 0 && mysql_get_ssl_cipher(connection_) == nullptr) {
    close();
    throw StoreError(Kind::other, "database " + shown_ + ": the server offers no TLS, which ssl-mode asks for");
  }
  unsigned int capabilities = 0;
  mariadb_get_infov(connection_, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &capabilities);
  takes_rows_ = options_.takes_rows && (capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32U)) != 0;
  opened_at_ = std::chrono::steady_clock::now();
  if (options_.counters) counted_.emplace(options_.counters);
  set_up();
}

// Fixed for this session, whatever the server's defaults are. Locks are waited for less long than answers, so that a
// wait ends as one and not as a lost connection. What a machine that is gone had locked becomes free after a minute:
// MariaDB ends its transaction, MySQL its connection.
void MysqlConnection::set_up() {
  const auto half = std::chrono::duration_cast<std::chrono::seconds>(options_.timeout).count() / 2;
  const auto lock_seconds = options_.timeout.count() == 0 ? 20 : std::clamp<std::int64_t>(half, 1, 20);
  std::string settings =
      "SET NAMES utf8mb4, SESSION time_zone = '+00:00', SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
      "SESSION autocommit = 1, "
      "SESSION foreign_key_checks = 1, SESSION unique_checks = 1, SESSION innodb_lock_wait_timeout = ";
  settings += std::to_string(lock_seconds) + "; SET SESSION TRANSACTION ISOLATION LEVEL ";
  settings += options_.read_only ? "REPEATABLE READ, READ ONLY" : "READ COMMITTED, READ WRITE";
  settings += "; /*M!100300 SET SESSION idle_transaction_timeout = 60 */ /*!80000 SET SESSION wait_timeout = 60 */";
  if (!options_.settings.empty()) settings += "; " + options_.settings;
  execute(settings.c_str());
  require_primary();
}

void MysqlConnection::leave_if(bool only_reads) {
  if (!only_reads) return;
  close();
  throw StoreError(Kind::connection_lost,
                   "database " + shown_ +
                       ": this server only reads (read_only is on; is it a replica?); name one that is written to");
}

// Asked once a second, by the feed: as long as the server is the primary, what is read from it is current.
std::int64_t MysqlConnection::milliseconds() {
  Statement statement(*this, "SELECT CAST(unix_timestamp(now(3)) * 1000 AS SIGNED), @@global.read_only");
  std::int64_t now = 0;
  bool only_reads = false;
  {
    auto rows = statement.rows();
    if (!rows.next()) fail_corrupt("the server does not tell the time");
    now = rows.number(0);
    only_reads = rows.flag(1);
  }
  leave_if(only_reads);
  return now;
}

bool MysqlConnection::is_old() const noexcept {
  return options_.recycle.count() > 0 && std::chrono::steady_clock::now() - opened_at_ > options_.recycle;
}

void MysqlConnection::ensure_open() {
  if (connection_ != nullptr && (in_transaction_ || !is_old())) return;
  if (in_transaction_) throw StoreError(Kind::connection_lost, "database " + shown_ + ": the connection was lost");
  open();
}

void MysqlConnection::fail(unsigned int error, const std::string& message) {
  const Kind kind = kind_of(error);
  if (kind == Kind::connection_lost) {
    if (counted_) counted_->note_lost();
    close();
  }
  throw StoreError(kind, "database " + shown_ + ": " + message + " (" + std::to_string(error) + ")" + advice_of(error));
}

void MysqlConnection::fail(MYSQL_STMT* statement) {
  const unsigned int error = statement == nullptr ? mysql_errno(connection_) : mysql_stmt_errno(statement);
  const std::string message = statement == nullptr ? mysql_error(connection_) : mysql_stmt_error(statement);
  fail(error, message);
}

MysqlConnection::Known& MysqlConnection::known(std::string_view sql) {
  const auto found = known_.find(sql);
  if (found != known_.end()) return *found->second;
  auto made = std::make_unique<Known>();
  made->text = mysql_text(sql);
  return *known_.emplace(std::string(sql), std::move(made)).first->second;
}

// A server that was restarted, or that closed what was idle, is noticed by the next statement only. Outside a
// transaction what changes nothing is asked again.
template <class Work>
void MysqlConnection::ask(const Work& work, bool changes_nothing) {
  constexpr std::chrono::seconds kAtOnce{1};
  const auto start = std::chrono::steady_clock::now();
  try {
    work();
  } catch (const StoreError& error) {
    const bool at_once = std::chrono::steady_clock::now() - start < kAtOnce;
    if (error.kind() != Kind::connection_lost || !changes_nothing || in_transaction_ || !at_once) throw;
    work();
  }
}

void MysqlConnection::run(MysqlStatement& statement, const MysqlText& text, std::span<const Value> values) {
  ask([&] { run_once(statement, text, [&] { return statement.execute(text, values); }); }, options_.read_only);
}

void MysqlConnection::run_rows(MysqlStatement& statement, const MysqlText& text, std::span<const Value> values) {
  if (!values.empty()) run_once(statement, text, [&] { return statement.execute_rows(text, values); });
}

template <class Execute>
void MysqlConnection::run_once(MysqlStatement& statement, const MysqlText& text, const Execute& execute) {
  ensure_open();
  if (!in_transaction_) leave_transactions();
  if (!queued_.empty()) send(std::exchange(queued_, {}).c_str());
  if (statement.generation() != generation_ && !statement.prepare(connection_, generation_, text.sql)) {
    fail(statement.handle());
  }
  if (!execute()) fail(statement.handle());
  changed_rows_ = statement.changed_rows();
}

std::unique_ptr<Prepared> MysqlConnection::prepare(std::string_view sql) {
  return std::make_unique<MysqlPrepared>(*this, sql);
}

void MysqlConnection::queue(std::string_view sql) { queued_.append(sql).append("; "); }

void MysqlConnection::execute(const char* sql) {
  ensure_open();
  if (!in_transaction_) leave_transactions();
  send(std::exchange(queued_, {}).append(sql).c_str());
}

// Statements outside a transaction are to be committed by themselves.
void MysqlConnection::leave_transactions() {
  if (std::exchange(begins_by_itself_, false)) send("SET autocommit = 1");
}

void MysqlConnection::send(const char* sql) {
  if (mysql_query(connection_, sql) != 0) fail(nullptr);
  int more = 0;
  do {
    MYSQL_RES* const result = mysql_store_result(connection_);
    if (result != nullptr) mysql_free_result(result);
    if (result == nullptr && mysql_errno(connection_) != 0) fail(nullptr);
    more = mysql_next_result(connection_);
  } while (more == 0);
  if (more > 0) fail(nullptr);
}

// One after the other, transactions that write begin without a word to the server.
void MysqlConnection::begin() {
  commit_is_unknown_ = false;
  ensure_open();
  if (!begins_by_itself_) ask([this] { execute("SET autocommit = 0"); }, true);
  begins_by_itself_ = in_transaction_ = true;
}

void MysqlConnection::begin_reading() {
  ask([this] { execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); }, true);
  in_transaction_ = true;
}

void MysqlConnection::commit() {
  ensure_open();
  commit_is_unknown_ = true;
  try {
    execute("COMMIT");
  } catch (const StoreError&) {
    commit_is_unknown_ = connection_ == nullptr;
    throw;
  }
  commit_is_unknown_ = false;
  in_transaction_ = false;
}

void MysqlConnection::roll_back() noexcept {
  queued_.clear();
  if (!std::exchange(in_transaction_, false) || connection_ == nullptr) return;
  if (mysql_query(connection_, "ROLLBACK") != 0) close();
}

bool MysqlConnection::has_table(std::string_view name) {
  Statement statement(*this,
                      "SELECT 1 FROM information_schema.tables WHERE table_schema = database() AND table_name = ?");
  return statement.rows(name).next();
}

// "10.11.6-MariaDB-…", "8.0.36", "8.4.0-…"
MysqlConnection::Version MysqlConnection::server_version() {
  Statement statement(*this, "SELECT version()");
  auto rows = statement.rows();
  if (!rows.next()) fail_corrupt("the server does not say its version");
  Version version;
  version.text = rows.text(0);
  version.is_mariadb = version.text.find("MariaDB") != std::string::npos;
  const char* const end = version.text.data() + version.text.size();
  const auto [dot, error] = std::from_chars(version.text.data(), end, version.major);
  if (error == std::errc() && dot != end) std::from_chars(dot + 1, end, version.minor);
  return version;
}

}  // namespace lictor::store
