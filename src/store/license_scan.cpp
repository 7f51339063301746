#include "store/license_scan.h"

#include <algorithm>
#include <limits>

namespace lictor::store {
namespace {

// Columns of LicenseDetails, see queries.h.
constexpr int kRow = 0, kPolicy = 3, kStatus = 5, kIssuedAt = 6, kExpiresAt = 8, kHolder = 18;

constexpr UnixSeconds kFirstTime = std::numeric_limits<UnixSeconds>::min();
constexpr UnixSeconds kLastTime = std::numeric_limits<UnixSeconds>::max();

// A text behind all holders that begin with `prefix`, in UTF-8 as engines demand it: the largest code point, more often
// than a holder has room for (256 bytes).
std::string end_of_prefix(std::string prefix) {
  for (int i = 0; i <= 64; ++i) prefix += "\U0010FFFF";
  return prefix;
}

bool within(UnixSeconds time, const std::optional<UnixSeconds>& after, const std::optional<UnixSeconds>& before) {
  return (!after || time >= *after) && (!before || time < *before);
}

}  // namespace

struct LicenseScan::Values {
  Row row = 0;
  std::int64_t from = 0, before = 0;
  std::string text_from = {}, text_before = {};
  std::int64_t shared = 0;
};

struct LicenseScan::Cursor {
  Cursor(Connection& connection, std::string_view query, const Values& given, std::int64_t most)
      : values(given),
        statement(connection, query),
        rows(statement.rows(values.row, values.from, values.before, values.text_from, values.text_before, values.shared,
                            most)) {}
  const Values values;  // the statement refers to the texts
  Statement statement;
  Statement::Rows rows;
};

LicenseScan::LicenseScan(Connection& connection, const LicenseFilter& filter, LicenseOrder order,
                         const std::optional<Position>& after, std::size_t most)
    : connection_(connection),
      most_(static_cast<std::int64_t>(most)),
      filter_(filter),
      down_(order == LicenseOrder::newest || order == LicenseOrder::expires_last) {
  if (filter.product != 0) {
    Statement policies(connection_, sql::kPoliciesOfProduct);
    auto rows = policies.rows(filter.product);
    while (rows.next()) policies_.push_back(rows.number(0));
  }
  const bool one_index =
      !filter.holder.empty() || (filter.status && *filter.status != licensing::LicenseStatus::active);
  if (after) previous_ = *after;
  if (order == LicenseOrder::expires || order == LicenseOrder::expires_last) {
    by_ = By::expiry;
    open_by_time(after);
  } else if (!filter.holder_prefix.empty()) {
    by_ = By::holder;
    open_by_holder(after);
  } else if (!one_index && (filter.issued_after || filter.issued_before)) {
    by_ = By::issue;
    open_by_time(after);
  } else {
    if (!after) previous_.row = down_ ? std::numeric_limits<Row>::max() : 0;
    open_by_row(previous_);
  }
}

LicenseScan::~LicenseScan() = default;

void LicenseScan::open(const sql::ScanQueries& queries, const Values& values) {
  cursors_.push_back(std::make_unique<Cursor>(connection_, down_ ? queries.down : queries.up, values, most_));
}

// The index that narrows the list down most. A product's licenses are those of its policies, merged.
void LicenseScan::open_by_row(const Position& after) {
  Values values{.row = after.row};
  if (!filter_.holder.empty()) {
    values.text_from = filter_.holder;
    return open(sql::kLicensesOfHolder, values);
  }
  if (filter_.status && *filter_.status != licensing::LicenseStatus::active) {
    values.shared = static_cast<std::int64_t>(*filter_.status);
    return open(sql::kLicensesOfStatus, values);
  }
  if (filter_.policy == 0 && filter_.product == 0) return open(sql::kLicensesByRow, values);
  merge_ = true;
  for (const Row policy : filter_.policy != 0 ? std::vector{filter_.policy} : policies_) {
    values.shared = policy;
    open(sql::kLicensesOfPolicy, values);
  }
}

// First what shares the time of the last one seen, then what lies beyond it.
void LicenseScan::open_by_time(const std::optional<Position>& after) {
  const bool by_expiry = by_ == By::expiry;
  Values values;
  values.from = (by_expiry ? filter_.expires_after : filter_.issued_after).value_or(kFirstTime);
  values.before = (by_expiry ? filter_.expires_before : filter_.issued_before).value_or(kLastTime);
  if (after) {
    const bool inside = after->number >= values.from && after->number < values.before;
    Values ties{.row = after->row, .shared = after->number};
    if (inside) open(by_expiry ? sql::kLicensesExpiringAt : sql::kLicensesIssuedAt, ties);
    if (down_) values.before = std::min(values.before, after->number);
    if (!down_) values.from = std::max(values.from, std::min(after->number, kLastTime - 1) + 1);
  }
  open(by_expiry ? sql::kLicensesByExpiry : sql::kLicensesByIssue, values);
}

void LicenseScan::open_by_holder(const std::optional<Position>& after) {
  Values values{.text_from = filter_.holder_prefix, .text_before = end_of_prefix(filter_.holder_prefix)};
  if (after) {
    open(sql::kLicensesOfHolder, {.row = after->row, .text_from = after->text});
    if (down_) values.text_before = std::min(values.text_before, after->text);
    // No holder has a control character, so the next one is not before this.
    if (!down_) values.text_from = std::max(values.text_from, after->text + '\1');
  }
  open(sql::kLicensesByHolder, values);
}

bool LicenseScan::next() {
  if (started_) previous_ = here();
  return merge_ ? next_merged() : next_in_sequence();
}

bool LicenseScan::next_in_sequence() {
  started_ = false;
  for (; current_ < cursors_.size(); ++current_) {
    if (cursors_[current_]->rows.next()) return started_ = true;
  }
  return false;
}

bool LicenseScan::next_merged() {
  if (started_) {
    if (!cursors_[current_]->rows.next()) cursors_.erase(cursors_.begin() + static_cast<std::ptrdiff_t>(current_));
  } else {
    std::erase_if(cursors_, [](const auto& cursor) { return !cursor->rows.next(); });
  }
  started_ = !cursors_.empty();
  if (!started_) return false;
  const auto row_of = [](const auto& cursor) { return cursor->rows.number(kRow); };
  const auto first =
      down_ ? std::ranges::max_element(cursors_, {}, row_of) : std::ranges::min_element(cursors_, {}, row_of);
  current_ = static_cast<std::size_t>(first - cursors_.begin());
  return true;
}

const Statement::Rows& LicenseScan::row() const noexcept { return cursors_[current_]->rows; }

Position LicenseScan::here() const {
  Position position{.row = row().number(kRow)};
  if (by_ == By::issue) position.number = row().number(kIssuedAt);
  if (by_ == By::expiry) position.number = row().number(kExpiresAt);
  if (by_ == By::holder) position.text = row().text(kHolder);
  return position;
}

bool LicenseScan::fits() const {
  const Statement::Rows& rows = row();
  if (filter_.policy != 0 && rows.number(kPolicy) != filter_.policy) return false;
  if (filter_.product != 0 && std::ranges::find(policies_, rows.number(kPolicy)) == policies_.end()) return false;
  if (filter_.status && rows.number(kStatus) != static_cast<std::int64_t>(*filter_.status)) return false;
  if (!filter_.holder.empty() && rows.text(kHolder) != filter_.holder) return false;
  if (!rows.text(kHolder).starts_with(filter_.holder_prefix)) return false;
  return within(rows.number(kIssuedAt), filter_.issued_after, filter_.issued_before) &&
         within(rows.end_time(kExpiresAt), filter_.expires_after, filter_.expires_before);
}

}  // namespace lictor::store
