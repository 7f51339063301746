#include "service/batch.h"

#include <algorithm>

#include "base/encoding.h"
#include "licensing/seat_series.h"

namespace lictor::service {
namespace {

using licensing::Code;
using licensing::SeatChange;

licensing::Denial denial_of(Code code) {
  licensing::Denial denial;
  denial.code = code;
  return denial;
}

// A key of maps over (license, text): the row's bytes, then the text.
std::string row_key(store::Row row, std::string_view text) {
  std::string key(reinterpret_cast<const char*>(&row), sizeof row);
  return key.append(text);
}

std::string seat_detail(const base::Id& client, const licensing::License& license, std::uint32_t max_clients,
                        bool over_limit) {
  std::string detail = "{\"client\":\"" + base::format_id(base::kClientPrefix, client) + "\",\"seats_held\":";
  base::append_number(detail, license.seats_held);
  if (max_clients != licensing::kUnlimited) {
    detail += ",\"max_clients\":";
    base::append_number(detail, max_clients);
  }
  if (over_limit) detail += ",\"over_limit\":true";
  return detail += '}';
}

std::string usage_fragment(const UsageInput& input, const licensing::UsageDecision& usage) {
  const auto append = [](std::string& out, std::string_view name, std::optional<std::int64_t> value) {
    out += name;
    value ? base::append_number(out, *value) : void(out += "null");
  };
  std::string text = "\"metric\":" + base::json_string(input.metric);
  append(text, ",\"quantity\":", input.quantity);
  append(text, ",\"total\":", usage.total);
  append(text, ",\"quota\":", usage.quota);
  append(text, ",\"period\":{\"start\":", usage.period.start);
  const bool ends = usage.period.end != licensing::kNever;
  append(text, ",\"end\":", ends ? std::optional(usage.period.end) : std::nullopt);
  return text += '}';
}

}  // namespace

std::optional<Code> refuse_access(const Product& product, const Access& access) noexcept {
  if (access.license_key_only && !product.settings.license_auth) return Code::unauthenticated;
  if (access.product != 0 && access.product != product.stored.row) return Code::license_key_invalid;
  if (product.settings.require_signature && !access.is_signed) return Code::signature_invalid;
  return std::nullopt;
}

Code unknown_license(const Access& access) noexcept {
  return access.license_key_only ? Code::unauthenticated : Code::license_key_invalid;
}

store::Event lease_ended_event(const base::Id& license, const store::EndedLease& ended, std::uint32_t seats_held,
                               base::UnixSeconds now) {
  store::Event event;
  event.at = now;
  event.actor = "system";
  event.action = "seat.released";
  event.subject = base::format_id(base::kLicensePrefix, license);
  event.client = ended.client_id;
  event.detail = "{\"client\":\"" + base::format_id(base::kClientPrefix, ended.client) +
                 "\",\"seats_held\":" + std::to_string(seats_held) +
                 ",\"reason\":\"lease_ended\",\"lease_expired_at\":" + std::to_string(ended.lease_expires_at) + "}";
  return event;
}

void Batch::run(store::Tx& tx, std::span<LicenseJob* const> jobs) {
  clear();
  lock(tx, jobs);
  reclaim(tx);
  read_seats(tx);
  read_usage(tx);
  decide_all();
  store_changes(tx);
}

void Batch::clear() {
  items_.clear();
  licenses_.clear();
  seats_.clear();
  usage_.clear();
  ended_.clear();
  license_index_.clear();
  seat_index_.clear();
  totals_.clear();
  usage_keys_.clear();
  changes_ = {};
}

void Batch::lock(store::Tx& tx, std::span<LicenseJob* const> jobs) {
  std::vector<store::LicenseRef> refs;
  refs.reserve(jobs.size());
  for (const LicenseJob* job : jobs) refs.push_back({job->ref.by, job->ref.value, job->client_id});
  const auto rows = tx.lock(refs);
  if (sync_ != nullptr && tx.catalog_version().value_or(sync_->version()) != sync_->version()) throw CatalogChanged();
  now_ = clock_.now();  // after the lock: whatever waited for it is decided by this time
  items_.reserve(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->answer = {};
    jobs[i]->answer.now = now_;
    admit(items_.emplace_back(Item{jobs[i], kMissing, kMissing, kMissing}), rows[i]);
  }
}

void Batch::admit(Item& item, const std::optional<store::LicenseRow>& row) {
  Answer& answer = item.job->answer;
  if (!row) {
    answer.denial = denial_of(unknown_license(item.job->access));
    return;
  }
  const auto [it, is_new] = license_index_.try_emplace(row->row, licenses_.size());
  if (is_new) licenses_.emplace_back(*row, catalog_.terms(row->policy, row->overrides));
  License& license = licenses_[it->second];
  license.by_key = license.by_key || item.job->ref.by == store::LicenseRef::By::key_digest;
  if (const auto refusal = refuse_access(*license.terms->product, item.job->access)) {
    answer.denial = denial_of(*refusal);
    return;
  }
  item.license = it->second;
}

void Batch::reclaim(store::Tx& tx) {
  std::vector<store::Row> due;
  for (const License& license : licenses_) {
    if (license.row.state.next_lease_end <= now_) due.push_back(license.row.row);
  }
  if (due.empty()) return;
  for (const store::EndedLease& ended : tx.reclaim(due, now_)) {
    License& license = licenses_[license_index_.at(ended.license)];
    license.row.state.seats_held -= license.row.state.seats_held > 0 ? 1 : 0;
    ended_.emplace_back(license_index_.at(ended.license), ended.client_id);
    changes_.events.push_back(lease_ended_event(license.row.id, ended, license.row.state.seats_held, now_));
  }
  for (const store::Row row : due) {
    License& license = licenses_[license_index_.at(row)];
    license.row.state.next_lease_end = tx.next_lease_end(row);
    license.published = true;
  }
}

void Batch::read_seats(store::Tx& tx) {
  std::vector<store::SeatQuery> queries;
  for (Item& item : items_) {
    if (item.license == kMissing || item.job->client_id.empty()) continue;
    const store::Row row = licenses_[item.license].row.row;
    const auto [it, is_new] = seat_index_.try_emplace(row_key(row, item.job->client_id), seats_.size());
    item.seat = it->second;
    if (!is_new) continue;
    seats_.push_back({item.license, item.job->client_id, std::nullopt, false});
    queries.push_back({row, item.job->client_id});
  }
  if (queries.empty()) return;
  auto states = tx.activations(queries);
  for (std::size_t i = 0; i < states.size(); ++i) seats_[i].state = std::move(states[i]);
}

void Batch::read_usage(store::Tx& tx) {
  std::vector<store::UsageQuery> queries;
  for (Item& item : items_) {
    const auto* input = std::get_if<UsageInput>(&item.job->command);
    if (input == nullptr || item.license == kMissing) continue;
    const License& license = licenses_[item.license];
    const auto period = licensing::usage_period(license.terms->terms, input->metric, now_);
    item.usage = queries.size();
    queries.push_back({license.row.row, input->metric, period.start, input->idempotency_key});
  }
  if (!queries.empty()) usage_ = tx.usage(queries);
}

void Batch::decide_all() {
  for (Item& item : items_) {
    if (item.license == kMissing) continue;
    item.job->answer.license_id = licenses_[item.license].row.id;
    item.job->answer.terms = licenses_[item.license].terms;
    if (const auto* usage = std::get_if<UsageInput>(&item.job->command)) {
      decide_usage(item, *usage);
    } else if (const auto* status = std::get_if<StatusInput>(&item.job->command)) {
      decide_status(item, *status);
    } else if (!std::holds_alternative<SweepInput>(item.job->command)) {
      decide_seat(item);
    }
    item.job->answer.license = licenses_[item.license].row.state;
  }
}

licensing::Decision Batch::decide_for(const Item& item, const licensing::Activation* seat) const {
  const License& license = licenses_[item.license];
  const auto& state = license.row.state;
  const auto& terms = license.terms->terms;
  const auto pointer = [](const auto& optional) { return optional ? &*optional : nullptr; };
  if (const auto* input = std::get_if<ActivateInput>(&item.job->command)) {
    const licensing::Activate command{input->new_client, pointer(input->fingerprint), input->version};
    return licensing::decide(state, terms, seat, command, now_);
  }
  if (const auto* input = std::get_if<ValidateInput>(&item.job->command)) {
    const std::vector<std::string_view> features(input->features.begin(), input->features.end());
    const licensing::Validate command{input->names_client, pointer(input->fingerprint), input->version, features};
    return licensing::decide(state, terms, seat, command, now_);
  }
  return licensing::decide(state, terms, seat, licensing::Deactivate{}, now_);
}

void Batch::decide_seat(Item& item) {
  const bool names_client = item.seat != kMissing;
  const licensing::Activation* before = names_client && seats_[item.seat].state ? &*seats_[item.seat].state : nullptr;
  licensing::Decision decision = decide_for(item, before);
  Answer& answer = item.job->answer;
  answer.denial = decision.denial;
  // The feature's name must outlive the decision's inputs; it belongs to the job, which the answer is a part of.
  if (answer.denial && !answer.denial->feature.empty()) {
    const auto& features = std::get<ValidateInput>(item.job->command).features;
    answer.denial->feature = *std::ranges::find(features, answer.denial->feature);
  }
  answer.seat = decision.seat;
  answer.expired = decision.expired;
  answer.grace_until = decision.grace_until;
  answer.over_limit = decision.over_limit;
  keep(item, std::move(decision));
  if (!names_client || !seats_[item.seat].state) return;
  const licensing::Activation& seat = *seats_[item.seat].state;
  answer.names_client = true;
  answer.client = seat.client;
  answer.activated_at = seat.activated_at;
  answer.lease_expires_at = seat.lease_expires_at;
}

void Batch::keep(const Item& item, licensing::Decision&& decision) {
  License& license = licenses_[item.license];
  if (decision.license) {
    license.row.state = *decision.license;
    license.changed = license.published = true;
  }
  if (decision.activation) {
    seats_[item.seat].state = std::move(*decision.activation);
    seats_[item.seat].changed = true;
    license.published = true;
  }
  record_seat_event(item, decision);
}

store::Event Batch::event_for(const Item& item, std::string_view action) const {
  store::Event event;
  event.at = now_;
  event.actor = item.job->actor;
  event.action = action;
  event.subject = base::format_id(base::kLicensePrefix, licenses_[item.license].row.id);
  event.client = item.job->client_id;
  event.request_id = item.job->request_id;
  return event;
}

// Seats granted, refused and released. Of renewals those that change whom later ones are compared with, which every
// process with the seat in its memory must learn.
void Batch::record_seat_event(const Item& item, const licensing::Decision& decision) {
  const bool refused = decision.denial && std::holds_alternative<ActivateInput>(item.job->command);
  const bool changed =
      decision.seat == SeatChange::granted || decision.seat == SeatChange::released || decision.rebound;
  if (!refused && !changed) return;
  const License& license = licenses_[item.license];
  store::Event event = event_for(item, refused                                ? "seat.refused"
                                       : decision.rebound                     ? "seat.rebound"
                                       : decision.seat == SeatChange::granted ? "seat.granted"
                                                                              : "seat.released");
  if (refused) {
    event.code = licensing::wire_name(decision.denial->code);
  } else {
    event.detail = seat_detail(seats_[item.seat].state->client, license.row.state, license.terms->terms.max_clients,
                               decision.over_limit);
  }
  changes_.events.push_back(std::move(event));
}

void Batch::decide_status(Item& item, const StatusInput& input) {
  licensing::Decision decision = licensing::decide(licenses_[item.license].row.state, input.command);
  item.job->answer.denial = decision.denial;
  if (!decision.license) return;
  keep(item, std::move(decision));
  constexpr std::string_view kActions[] = {"license.suspended", "license.resumed", "license.revoked"};
  store::Event event = event_for(item, kActions[static_cast<std::size_t>(input.command)]);
  if (!input.reason.empty()) event.detail = "{\"reason\":" + base::json_string(input.reason) + "}";
  changes_.events.push_back(std::move(event));
}

void Batch::decide_usage(Item& item, const UsageInput& input) {
  const License& license = licenses_[item.license];
  const store::Row row = license.row.row;
  Answer& answer = item.job->answer;
  const auto in_batch = usage_keys_.find(row_key(row, input.idempotency_key));
  const store::UsageKey* earlier = in_batch != usage_keys_.end() ? &in_batch->second
                                   : usage_[item.usage].earlier  ? &*usage_[item.usage].earlier
                                                                 : nullptr;
  if (earlier != nullptr && now_ - earlier->created_at < kIdempotencySeconds) {
    if (input.signature && input.signature == earlier->signature) {
      answer.denial = denial_of(Code::replayed);
    } else if (input.request != earlier->request) {
      answer.denial = denial_of(Code::idempotency_conflict);
    } else {
      answer.usage = earlier->answer;
    }
    return;
  }
  const auto total = totals_.try_emplace(row_key(row, input.metric), usage_[item.usage].total).first;
  const licensing::Activation* seat =
      item.seat != kMissing && seats_[item.seat].state ? &*seats_[item.seat].state : nullptr;
  const licensing::UseMetric command{input.names_client, input.metric, input.quantity};
  const auto usage = licensing::decide(license.row.state, license.terms->terms, seat, command, total->second, now_);
  answer.denial = usage.denial;
  if (usage.denial) return;
  total->second = usage.total;
  answer.usage = usage_fragment(input, usage);
  store::UsageKey key{input.request, input.signature, answer.usage, now_};
  usage_keys_.insert_or_assign(row_key(row, input.idempotency_key), key);
  changes_.usage.push_back({row, input.metric, usage.period.start, usage.total, input.idempotency_key, std::move(key),
                            license.terms->product->stored.row, licensing::day_of(now_), input.quantity});
}

void Batch::store_changes(store::Tx& tx) {
  for (const License& license : licenses_) {
    if (license.changed) changes_.licenses.push_back({license.row.row, license.row.state});
  }
  for (const Seat& seat : seats_) {
    if (!seat.changed) continue;
    changes_.activations.push_back({licenses_[seat.license].row.row, std::string(seat.client_id), *seat.state, now_});
  }
  const bool anything = !changes_.licenses.empty() || !changes_.activations.empty() || !changes_.usage.empty() ||
                        !changes_.events.empty();
  if (anything) tx.apply(changes_);
}

void Batch::publish(Cache& cache) const {
  cache.begin_publish();
  for (const License& license : licenses_) {
    if (license.published) cache.publish(license.row, license.terms, license.by_key);
  }
  // Whatever the clock does next: a seat that was taken back is nobody's.
  for (const auto& [license, client_id] : ended_) cache.publish(licenses_[license].row.id, client_id, {});
  for (const Seat& seat : seats_) {
    if (seat.changed) cache.publish(licenses_[seat.license].row.id, seat.client_id, *seat.state);
  }
}

void Batch::offer(SharedCache& shared, const HistoryMark& mark) const {
  if (mark.sequence == 0) return;
  for (const Seat& seat : seats_) {
    if (!seat.changed || !seat.state->held) continue;
    const License& license = licenses_[seat.license];
    shared.offer({license.row, seat.state}, license.terms->policy->stored.id, seat.client_id, license.by_key, mark);
  }
}

}  // namespace lictor::service
