#include "licensing/decide.h"

#include <algorithm>
#include <limits>

namespace lictor::licensing {
namespace {

UnixSeconds saturating_add(UnixSeconds a, Seconds b) noexcept { return a > kNever - b ? kNever : a + b; }

Denial deny(Code code, UnixSeconds at = 0) {
  Denial denial;
  denial.code = code;
  denial.at = at;
  return denial;
}

// The steps of the precedence (contract.md, section 3), in order; each is nothing when it has no objection.

std::optional<Denial> refuse_status(const License& license, UnixSeconds now) {
  if (license.status == LicenseStatus::revoked) return deny(Code::license_revoked);
  if (license.status == LicenseStatus::suspended) return deny(Code::license_suspended);
  if (now < license.starts_at) return deny(Code::license_not_yet_valid, license.starts_at);
  return std::nullopt;
}

// Sets grace_until and expired of `decision`.
std::optional<Denial> refuse_expiry(const License& license, const Terms& terms, UnixSeconds now, Decision& decision) {
  if (now < license.expires_at) return std::nullopt;
  const UnixSeconds grace_end = saturating_add(license.expires_at, terms.grace);
  if (now < grace_end) {
    decision.grace_until = grace_end;
    return std::nullopt;
  }
  if (terms.expiry_mode == ExpiryMode::restrict) return deny(Code::license_expired, license.expires_at);
  decision.expired = true;
  return std::nullopt;
}

std::optional<Denial> refuse_check_in(const License& license, const Terms& terms, UnixSeconds now) {
  if (!is_check_in_overdue(license, terms, now)) return std::nullopt;
  return deny(Code::check_in_overdue, saturating_add(license.last_check_in_at, terms.check_in));
}

// The lease ended by itself. Its client is told so whether or not the store has reclaimed the seat meanwhile; a lease
// that was given up before its end is no ended lease.
bool lease_has_ended(const Activation& activation, UnixSeconds now) noexcept {
  if (now < activation.lease_expires_at) return false;
  return activation.held || activation.released_at == 0 || activation.released_at >= activation.lease_expires_at;
}

std::optional<Denial> refuse_client(const Activation* activation, UnixSeconds now) {
  if (activation == nullptr) return deny(Code::client_not_activated);
  if (activation->blocked) return deny(Code::client_blocked);
  if (lease_has_ended(*activation, now)) return deny(Code::lease_expired, activation->lease_expires_at);
  return activation->held ? std::nullopt : std::optional(deny(Code::client_not_activated));
}

std::optional<Denial> refuse_hardware(const Terms& terms, const Fingerprint& bound, const Fingerprint* presented) {
  constexpr Fingerprint kAbsent;
  const auto difference = compare_fingerprints(terms.binding, bound, presented != nullptr ? *presented : kAbsent);
  if (!difference) return std::nullopt;
  Denial denial = deny(Code::hardware_mismatch);
  denial.hardware = *difference;
  return denial;
}

// Clients tell their version when they activate and need not repeat it.
std::string_view known_version(std::string_view told, const Activation* activation) noexcept {
  return told.empty() && activation != nullptr ? std::string_view(activation->version) : told;
}

std::optional<Denial> refuse_version(const License& license, const Terms& terms, std::string_view text, bool expired) {
  const bool needs_release = expired && terms.expiry_mode == ExpiryMode::maintain;
  const bool named = !text.empty() && !terms.versions.is_any();
  if (!needs_release && !named) return std::nullopt;
  const auto version = parse_version(text);
  if (!version || !terms.versions.covers(*version)) return deny(Code::version_not_covered);
  if (!needs_release) return std::nullopt;
  const auto released_at = release_time(terms, *version);
  const bool covered = released_at && *released_at < license.expires_at;
  return covered ? std::nullopt : std::optional(deny(Code::version_not_covered, license.expires_at));
}

std::optional<Denial> refuse_features(const Terms& terms, std::span<const std::string_view> names, UnixSeconds now) {
  for (const std::string_view name : names) {
    const Feature* feature = find_feature(terms, name);
    if (feature != nullptr && now < feature->expires_at) continue;
    Denial denial = deny(Code::feature_not_licensed, feature == nullptr ? 0 : feature->expires_at);
    denial.feature = name;
    return denial;
  }
  return std::nullopt;
}

// A lease ends no later than the license's own refusal, unless nothing is refused after expiry.
UnixSeconds lease_end(const License& license, const Terms& terms, UnixSeconds now) noexcept {
  if (!terms.floating()) return kNever;
  const UnixSeconds end = saturating_add(now, terms.lease);
  if (terms.expiry_mode != ExpiryMode::restrict) return end;
  return std::min(end, saturating_add(license.expires_at, terms.grace));
}

void check_in(License& license, const Terms& terms, UnixSeconds now) noexcept {
  if (terms.check_in > 0) license.last_check_in_at = std::max(license.last_check_in_at, now);
}

void begin_on_first_activation(License& license, const Terms& terms, UnixSeconds now) noexcept {
  if (license.first_activated_at != 0) return;
  license.first_activated_at = now;
  const bool waits = terms.starts == DurationStart::on_first_activation && license.expires_at == kNever;
  if (waits && terms.duration) license.expires_at = saturating_add(now, *terms.duration);
}

Denial deny_max_clients(const License& license, const Terms& terms) {
  Denial denial = deny(Code::max_clients_reached);
  denial.max_clients = terms.max_clients;
  denial.active_clients = license.seats_held;
  denial.next_release_at = license.next_lease_end;
  return denial;
}

// The same client on the same machine takes back the seat it gave up, with no transfer in between.
bool returns_to_seat(const License& license, const Terms& terms, const Activation* activation,
                     const Fingerprint* presented) {
  return activation != nullptr && activation->vacated && activation->vacated_at_transfer == license.transfers &&
         !refuse_hardware(terms, activation->fingerprint, presented);
}

// Counts a transfer when this activation takes a seat that another client or machine gave up.
std::optional<Denial> count_transfer(License& license, const Terms& terms, const Activation* activation,
                                     const Fingerprint* presented, UnixSeconds now) {
  if (terms.floating() || license.vacant_seats == 0) return std::nullopt;
  if (returns_to_seat(license, terms, activation, presented)) {
    --license.vacant_seats;
    return std::nullopt;
  }
  const std::uint64_t taken = std::uint64_t{license.seats_held} + license.vacant_seats;
  if (taken < terms.max_clients) return std::nullopt;  // a seat nobody had yet
  if (now >= saturating_add(license.transfer_period_start, terms.transfer_period)) {
    license.transfer_period_start = now;
    license.transfers_in_period = 0;
  }
  if (terms.max_transfers && license.transfers_in_period >= *terms.max_transfers) {
    Denial denial =
        deny(Code::transfer_limit_reached, saturating_add(license.transfer_period_start, terms.transfer_period));
    denial.max_transfers = *terms.max_transfers;
    return denial;
  }
  --license.vacant_seats;
  ++license.transfers;
  ++license.transfers_in_period;
  return std::nullopt;
}

void take_seat(License& license, Activation& seat, const Terms& terms, UnixSeconds now) {
  begin_on_first_activation(license, terms, now);
  ++license.seats_held;
  seat.held = true;
  seat.vacated = false;
  seat.released_at = 0;
  seat.over_limit = license.seats_held > terms.max_clients;
  seat.fingerprint = {};  // a new hold is bound anew
  seat.activated_at = now;
  seat.lease_expires_at = lease_end(license, terms, now);
  license.next_lease_end = std::min(license.next_lease_end, seat.lease_expires_at);
}

// True when the lease was extended: with more than half of its term left the stored end stands, so most beats write
// nothing.
bool extend_lease(License& license, Activation& seat, const Terms& terms, UnixSeconds now) noexcept {
  const UnixSeconds end = lease_end(license, terms, now);
  if (terms.floating() && seat.lease_expires_at == kNever) {  // taken before the terms had a lease
    seat.lease_expires_at = end;
    license.next_lease_end = std::min(license.next_lease_end, end);
    return true;
  }
  const bool half_left = seat.lease_expires_at - now > terms.lease / 2;
  if (end == kNever ? seat.lease_expires_at == kNever : (half_left || end <= seat.lease_expires_at)) return false;
  seat.lease_expires_at = end;
  return true;
}

// A beat writes when half of the lease, or half of the time until the next check-in, is over.
bool beat_is_due(const License& license, const Terms& terms, const Activation& seat, UnixSeconds now) noexcept {
  const bool check_in_due = terms.check_in > 0 && now - license.last_check_in_at >= terms.check_in / 2;
  return check_in_due || seat.lease_expires_at == kNever || seat.lease_expires_at - now <= terms.lease / 2;
}

void bind(Activation& seat, const Activate& command) {
  if (seat.fingerprint.kind == Fingerprint::Kind::absent && command.fingerprint != nullptr) {
    seat.fingerprint = *command.fingerprint;
  }
  if (!command.version.empty() && seat.version != command.version) seat.version = command.version;
}

// A seat that is held is compared; one that is about to be taken, or was taken without a fingerprint, is bound.
std::optional<Denial> refuse_activation_hardware(const Terms& terms, const Activation* activation,
                                                 const Fingerprint* presented, UnixSeconds now) {
  constexpr Fingerprint kAbsent;
  const bool held = activation != nullptr && holds_seat(*activation, now);
  if (held && activation->fingerprint.kind != Fingerprint::Kind::absent) {
    return refuse_hardware(terms, activation->fingerprint, presented);
  }
  const auto difference = check_bindable(terms.binding, presented != nullptr ? *presented : kAbsent);
  if (!difference) return std::nullopt;
  Denial denial = deny(Code::hardware_mismatch);
  denial.hardware = *difference;
  return denial;
}

Decision renew(const License& license, const Terms& terms, const Activation& activation, const Activate& command,
               UnixSeconds now, Decision decision) {
  License next = license;
  Activation seat = activation;
  extend_lease(next, seat, terms, now);
  bind(seat, command);
  check_in(next, terms, now);
  decision.seat = SeatChange::renewed;
  decision.over_limit = activation.over_limit;
  decision.rebound = seat.fingerprint.kind != activation.fingerprint.kind || seat.version != activation.version;
  if (!(next == license)) decision.license = next;
  if (!(seat == activation)) decision.activation = std::move(seat);
  return decision;
}

}  // namespace

Decision decide(const License& license, const Terms& terms, const Activation* activation, const Activate& command,
                UnixSeconds now) {
  Decision decision;
  if ((decision.denial = refuse_status(license, now))) return decision;
  if ((decision.denial = refuse_expiry(license, terms, now, decision))) return decision;
  if (activation != nullptr && activation->blocked) {
    decision.denial = deny(Code::client_blocked);
    return decision;
  }
  if ((decision.denial = refuse_activation_hardware(terms, activation, command.fingerprint, now))) return decision;
  const std::string_view version = known_version(command.version, activation);
  if ((decision.denial = refuse_version(license, terms, version, decision.expired))) return decision;
  if (activation != nullptr && holds_seat(*activation, now)) {
    return renew(license, terms, *activation, command, now, std::move(decision));
  }
  if (license.seats_held >= allowed_seats(terms)) {
    decision.denial = deny_max_clients(license, terms);
    return decision;
  }
  License next = license;
  if ((decision.denial = count_transfer(next, terms, activation, command.fingerprint, now))) return decision;
  Activation seat = activation != nullptr ? *activation : Activation{};
  if (!seat.client) seat.client = command.new_client;
  take_seat(next, seat, terms, now);
  bind(seat, command);
  check_in(next, terms, now);
  decision.seat = SeatChange::granted;
  decision.over_limit = seat.over_limit;
  decision.license = next;
  decision.activation = std::move(seat);
  return decision;
}

Decision decide(const License& license, const Terms& terms, const Activation* activation, const Validate& command,
                UnixSeconds now) {
  Decision decision;
  if ((decision.denial = refuse_status(license, now))) return decision;
  if ((decision.denial = refuse_expiry(license, terms, now, decision))) return decision;
  if ((decision.denial = refuse_check_in(license, terms, now))) return decision;
  if (command.names_client) {
    if ((decision.denial = refuse_client(activation, now))) return decision;
    if ((decision.denial = refuse_hardware(terms, activation->fingerprint, command.fingerprint))) return decision;
  }
  const std::string_view version = known_version(command.version, command.names_client ? activation : nullptr);
  if ((decision.denial = refuse_version(license, terms, version, decision.expired))) return decision;
  if ((decision.denial = refuse_features(terms, command.features, now))) return decision;
  if (!command.names_client) return decision;
  decision.over_limit = activation->over_limit;
  // A seat that was taken as a lease stays with its client when the terms have none any more.
  const bool was_leased = !terms.floating() && activation->lease_expires_at != kNever;
  if (!was_leased && (!terms.floating() || !beat_is_due(license, terms, *activation, now))) return decision;
  Activation seat = *activation;
  License next = license;
  extend_lease(next, seat, terms, now);
  if (terms.floating()) check_in(next, terms, now);
  if (seat == *activation && next == license) return decision;
  if (!(next == license)) decision.license = next;
  decision.activation = std::move(seat);
  decision.seat = SeatChange::renewed;
  return decision;
}

Decision decide(const License& license, const Terms& terms, const Activation* activation, const Deactivate&,
                UnixSeconds now) {
  Decision decision;
  if (activation == nullptr || !holds_seat(*activation, now)) return decision;
  License next = license;
  Activation seat = *activation;
  seat.held = false;
  seat.over_limit = false;
  seat.released_at = now;
  next.seats_held -= next.seats_held > 0 ? 1 : 0;
  if (!terms.floating()) {
    seat.vacated = true;
    seat.vacated_at_transfer = next.transfers;
    ++next.vacant_seats;
  }
  decision.seat = SeatChange::released;
  decision.license = next;
  decision.activation = std::move(seat);
  return decision;
}

Period usage_period(const Terms& terms, std::string_view metric, UnixSeconds now) noexcept {
  const Quota* quota = find_quota(terms, metric);
  return period_at(quota != nullptr ? quota->period : QuotaPeriod::month, now);
}

UsageDecision decide(const License& license, const Terms& terms, const Activation* activation, const UseMetric& command,
                     std::int64_t used, UnixSeconds now) {
  UsageDecision usage;
  usage.period = usage_period(terms, command.metric, now);
  usage.total = used;
  Decision validity;
  if ((usage.denial = refuse_status(license, now))) return usage;
  if ((usage.denial = refuse_expiry(license, terms, now, validity))) return usage;
  if ((usage.denial = refuse_check_in(license, terms, now))) return usage;
  if (command.names_client && (usage.denial = refuse_client(activation, now))) return usage;
  const Quota* quota = find_quota(terms, command.metric);
  if (quota != nullptr) usage.quota = quota->amount;
  // Only a metered license counts whatever it is told; elsewhere a metric that the policy does not name has a quota of
  // 0.
  if (quota == nullptr && terms.type != LicenseType::metered) usage.quota = 0;
  const std::int64_t limit = usage.quota.value_or(std::numeric_limits<std::int64_t>::max());
  if (command.quantity > limit - used || used > limit) {
    Denial denial = deny(Code::usage_quota_exceeded, usage.period.end);
    denial.used = used;
    denial.quota = limit;
    usage.denial = denial;
    return usage;
  }
  usage.total = used + command.quantity;
  return usage;
}

Decision decide(const License& license, StatusCommand command) {
  Decision decision;
  const LicenseStatus wanted = command == StatusCommand::suspend  ? LicenseStatus::suspended
                               : command == StatusCommand::resume ? LicenseStatus::active
                                                                  : LicenseStatus::revoked;
  if (license.status == wanted) return decision;
  if (license.status == LicenseStatus::revoked) {
    decision.denial = deny(Code::license_revoked);
    return decision;
  }
  License next = license;
  next.status = wanted;
  decision.license = next;
  return decision;
}

License issue(const Terms& terms, UnixSeconds now, std::optional<UnixSeconds> starts_at,
              std::optional<UnixSeconds> expires_at) {
  License license;
  license.issued_at = now;
  license.starts_at = starts_at.value_or(now);
  if (expires_at) {
    license.expires_at = *expires_at;
  } else if (terms.duration && terms.starts == DurationStart::on_issue) {
    license.expires_at = saturating_add(license.starts_at, *terms.duration);
  }
  return license;
}

std::optional<UnixSeconds> renewed_expiry(const License& license, const Terms& terms, UnixSeconds now) noexcept {
  if (!terms.duration || license.expires_at == kNever) return std::nullopt;
  return saturating_add(std::max(now, license.expires_at), *terms.duration);
}

bool is_check_in_overdue(const License& license, const Terms& terms, UnixSeconds now) noexcept {
  return terms.check_in != 0 && license.last_check_in_at != 0 &&
         now >= saturating_add(license.last_check_in_at, terms.check_in);
}

bool depends_on_version(const License& license, const Terms& terms, UnixSeconds now) noexcept {
  return !terms.versions.is_any() || (terms.expiry_mode == ExpiryMode::maintain && now >= license.expires_at);
}

std::string_view status_text(const License& license, const Terms& terms, UnixSeconds now) noexcept {
  if (license.status == LicenseStatus::revoked) return "revoked";
  if (license.status == LicenseStatus::suspended) return "suspended";
  if (now < license.starts_at) return "not_yet_valid";
  if (now < license.expires_at) return "active";
  return now < saturating_add(license.expires_at, terms.grace) ? "grace" : "expired";
}

}  // namespace lictor::licensing
