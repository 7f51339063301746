// What the write path works on. A job is made on one thread, handed over, filled in by the write path's thread and
// finished there: finish() gets the job itself back and carries it to whoever answers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "licensing/decide.h"
#include "service/catalog.h"
#include "store/store.h"

namespace lictor::service {

// With what right a license is used; decided by authentication, checked once the license is known.
struct Access {
  store::Row product = 0;         // the API key's product; 0: any
  bool license_key_only = false;  // the license key is the only credential
  bool is_signed = false;         // signature and timestamp were given and hold
};

// Nothing when a license of that product may be used; otherwise the code of the refusal.
std::optional<licensing::Code> refuse_access(const Product& product, const Access& access) noexcept;
// The code for a license that is not there: no stranger can tell it from one of another owner.
licensing::Code unknown_license(const Access& access) noexcept;

// Everything that an answer about one license says.
struct Answer {
  std::optional<licensing::Denial> denial;
  base::UnixSeconds now = 0;
  base::Id license_id;
  licensing::License license;
  TermsHandle terms;
  bool names_client = false;  // the members below it hold
  base::Id client;
  base::UnixSeconds activated_at = 0;
  base::UnixSeconds lease_expires_at = licensing::kNever;
  bool over_limit = false;
  bool expired = false;
  base::UnixSeconds grace_until = 0;
  licensing::SeatChange seat = licensing::SeatChange::none;
  std::string usage;  // members of a usage answer, as JSON without braces
};

struct Job {
  enum class End : std::uint8_t {
    committed,
    refused,      // by the job itself; nothing was recorded
    unavailable,  // nothing was recorded
    unknown,      // all of it was recorded, or nothing
  };
  virtual ~Job() = default;
  // On the write path's thread; `self` is this job.
  virtual void finish(std::unique_ptr<Job> self, End end) noexcept = 0;
};

struct ActivateInput {
  std::optional<licensing::Fingerprint> fingerprint;
  std::string version;
  base::Id new_client;
};
struct ValidateInput {
  bool names_client = false;
  std::optional<licensing::Fingerprint> fingerprint;
  std::string version;
  std::vector<std::string> features;
};
struct DeactivateInput {};
struct UsageInput {
  bool names_client = false;
  std::string metric;
  std::int64_t quantity = 0;
  std::string idempotency_key;
  base::Digest request;    // of the members that a retry must repeat
  base::Digest signature;  // zero: unsigned
};
struct SweepInput {};  // nothing but what every job does first: it takes ended leases out
struct StatusInput {
  licensing::StatusCommand command = licensing::StatusCommand::suspend;
  std::string reason;
};

struct LicenseJob : Job {
  store::LicenseRef ref;
  Access access;
  std::string client_id;
  std::variant<ActivateInput, ValidateInput, DeactivateInput, UsageInput, StatusInput, SweepInput> command;
  std::string actor;  // for the audit, see store::Event
  std::string request_id;
  Answer answer;  // valid after End::committed
};

// A transaction of its own, for administration.
struct AdminJob : Job {
  std::string actor, request_id;
  // Runs in the transaction; events it appends are stored with it. False: nothing shall be recorded. May run again
  // after a retry.
  std::function<bool(store::Tx&, base::UnixSeconds now, std::vector<store::Event>& events)> work;
  // After the commit and before finish(): caches and catalogues learn of the change. May be empty.
  std::function<void()> committed;
  std::optional<store::StoreError::Kind> error;  // of the transaction, with End::unavailable
};

inline constexpr base::UnixSeconds kIdempotencySeconds = 24 * 3600;

}  // namespace lictor::service
