// Random sequences of commands by several clients on one license. The model keeps what decide() returns and reclaims
// ended leases as the store does; after each step the promises are checked against a count and an oracle of its own.
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "unit/licensing/scenario.h"

namespace lictor::test {
namespace {

constexpr int kSteps = 120;
constexpr int kClients = 5;

// The first refusal in the order of the contract, from an independent reading of the state.
class Oracle {
 public:
  // `gave_up`: the client's last hold ended because it deactivated.
  Oracle(const License& license, const Terms& terms, const Activation* activation, bool gave_up, UnixSeconds now)
      : license_(license), terms_(terms), activation_(activation), gave_up_(gave_up), now_(now) {
    add(license.status == LicenseStatus::revoked, Code::license_revoked);
    add(license.status == LicenseStatus::suspended, Code::license_suspended);
    add(now < license.starts_at, Code::license_not_yet_valid);
    add(past_grace() && terms.expiry_mode == ExpiryMode::restrict, Code::license_expired);
  }

  std::optional<Code> validate(const Fingerprint& fingerprint, const std::string& version, const std::string& feature) {
    client_steps();
    const bool bound = terms_.binding != Binding::none && activation_ && activation_->fingerprint != Fingerprint{};
    add(bound && !(activation_->fingerprint == fingerprint), Code::hardware_mismatch);  // opaque values only
    version_step(version);
    const auto it = std::ranges::find(terms_.features, feature, &Feature::name);
    add(!feature.empty() && (it == terms_.features.end() || it->expires_at <= now_), Code::feature_not_licensed);
    return first_;
  }

  // Without transfers, whose state is checked as an invariant.
  std::optional<Code> activate(const Fingerprint& fingerprint, const std::string& version) {
    add(activation_ && activation_->blocked, Code::client_blocked);
    const bool holds = activation_ && activation_->held && activation_->lease_expires_at > now_;
    const bool bound = holds && activation_->fingerprint != Fingerprint{};
    const bool fits = bound ? activation_->fingerprint == fingerprint : fingerprint != Fingerprint{};
    add(terms_.binding != Binding::none && !fits, Code::hardware_mismatch);
    version_step(version);
    return first_;
  }

  std::optional<Code> use(std::int64_t quantity, std::int64_t used) {
    client_steps();
    const auto it = std::ranges::find(terms_.quotas, "calls", &Quota::metric);
    const bool named = it != terms_.quotas.end();
    const bool counted = named ? !it->amount : terms_.type == LicenseType::metered;
    add(!counted && used + quantity > (named ? *it->amount : 0), Code::usage_quota_exceeded);
    return first_;
  }

 private:
  void add(bool violated, Code code) {
    if (violated && !first_) first_ = code;
  }
  bool past_grace() const { return license_.expires_at != kNever && now_ >= license_.expires_at + terms_.grace; }
  void client_steps() {
    const UnixSeconds last = license_.last_check_in_at;
    add(terms_.check_in > 0 && last > 0 && now_ - last >= terms_.check_in, Code::check_in_overdue);
    add(activation_ && activation_->blocked, Code::client_blocked);
    add(activation_ && activation_->lease_expires_at <= now_ && !gave_up_, Code::lease_expired);
    add(!activation_ || !activation_->held, Code::client_not_activated);
  }
  void version_step(std::string version) {
    if (version.empty() && activation_) version = activation_->version;
    const bool maintained = past_grace() && terms_.expiry_mode == ExpiryMode::maintain;
    const bool known = version == "1.0" || version == "2.0" || version == "3.0";
    bool released_before = false;
    for (const Release& release : *terms_.releases) {
      released_before |=
          known && release.version == parse_version(version) && release.released_at < license_.expires_at;
    }
    const bool outside = !terms_.versions.is_any() && version == "3.0";  // the only range used is "<3"
    add(outside || (maintained && !released_before), Code::version_not_covered);
  }

  const License& license_;
  const Terms& terms_;
  const Activation* activation_;
  bool gave_up_;
  UnixSeconds now_;
  std::optional<Code> first_;
};

class Run {
 public:
  explicit Run(std::uint64_t seed) : random_(seed) {
    draw_terms();
    license_ = issue(terms_, now_, {}, chance(3) ? std::optional(now_ + below(40) * kDay) : std::nullopt);
  }

  // Empty when every promise held; otherwise the broken one.
  std::string run() {
    for (int i = 0; i < kSteps && broken_.empty(); ++i) step();
    return broken_;
  }
  std::string log() const { return log_.str(); }

 private:
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n)); }
  bool chance(int one_in) { return below(one_in) == 0; }
  void require(bool holds, const std::string& promise) {
    if (!holds && broken_.empty()) broken_ = promise;
  }

  void draw_terms() {
    terms_.type = static_cast<LicenseType>(1 + below(4));
    terms_.lease = chance(2) ? 0 : 1 + below(3) * below(kHour);
    terms_.max_clients = static_cast<std::uint32_t>(below(4));
    terms_.overage = {static_cast<OverageKind>(chance(6) ? 3 : 1 + below(2)), static_cast<std::uint32_t>(below(120))};
    terms_.grace = below(2) * kDay;
    terms_.expiry_mode = static_cast<ExpiryMode>(1 + below(3));
    terms_.binding = static_cast<Binding>(below(4));
    if (chance(2)) terms_.duration = 1 + below(20) * kDay;
    terms_.starts = static_cast<DurationStart>(1 + below(2));
    terms_.check_in = chance(3) ? 1 + below(5) * kDay : 0;
    if (chance(2)) terms_.max_transfers = static_cast<std::uint32_t>(below(3));
    terms_.transfer_period = 1 + below(10) * kDay;
    if (chance(3)) terms_.versions = *VersionRange::parse("<3");
    terms_.releases = std::make_shared<const std::vector<Release>>(
        std::vector<Release>{{*parse_version("1.0"), kNow - kDay}, {*parse_version("2.0"), kNow + 5 * kDay}});
    terms_.features = {{"cad", {}, kNever}, {"cam", {}, kNow + 9 * kDay}};
    if (chance(2)) terms_.quotas = {{"calls", chance(3) ? std::nullopt : std::optional(below(20)), QuotaPeriod::total}};
    log_ << "lease " << terms_.lease << " max " << terms_.max_clients << " allowed " << allowed_seats(terms_)
         << " binding " << int(terms_.binding) << " mode " << int(terms_.expiry_mode) << "\n";
  }

  // Takes ended leases out as the store does, but only when next_lease_end says that there are any.
  void reclaim() {
    if (license_.next_lease_end > now_) return;
    license_.next_lease_end = kNever;
    for (auto& [client, seat] : seats_) {
      if (seat.held && seat.lease_expires_at <= now_) {
        seat.held = false;
        if (client % 2 == 0) seat.released_at = seat.lease_expires_at;  // a store may note the end or leave it
        --license_.seats_held;
      }
      if (seat.held) license_.next_lease_end = std::min(license_.next_lease_end, seat.lease_expires_at);
    }
  }

  void step() {
    constexpr Seconds kPauses[] = {0, 1, 60, kHour, kDay};
    const Seconds passed = chance(3) ? std::max<Seconds>(1, terms_.lease / 2) : kPauses[below(5)];
    now_ += passed;
    if (!chance(4)) reclaim();  // reads see an ended lease before anybody reclaims it
    client_ = static_cast<int>(below(kClients));
    fingerprint_ = chance(8) ? Fingerprint{} : opaque(static_cast<std::uint8_t>(chance(5) ? 99 : client_));
    version_ = std::vector<std::string>{"", "1.0", "2.0", "3.0"}[static_cast<std::size_t>(chance(4) ? 3 : below(3))];
    log_ << "+" << passed << "s client " << client_ << " v'" << version_ << "' fp "
         << int(fingerprint_.tags[0].bytes[15]) << ": ";
    switch (below(9)) {
      case 0:
      case 1:
      case 2:
        activate_step();
        break;
      case 3:
      case 4:
        validate_step();
        break;
      case 5:
        deactivate_step();
        break;
      case 6:
        return_step();
        break;
      case 7:
        use_step();
        break;
      default:
        administer();
    }
    check_seats();
  }

  const Activation* seat() const {
    const auto it = seats_.find(client_);
    return it == seats_.end() ? nullptr : &it->second;
  }
  Oracle oracle() const { return {license_, terms_, seat(), gave_up_.contains(client_), now_}; }
  Activate activate_command() const {
    return {.new_client = id_of(static_cast<std::uint8_t>(client_ + 1)),
            .fingerprint = fingerprint_.kind == Fingerprint::Kind::absent ? nullptr : &fingerprint_,
            .version = version_};
  }
  void keep(const Decision& decision) {
    log_ << (decision.denial ? wire_name(decision.denial->code) : "ok") << " " << int(decision.seat) << "\n";
    if (decision.denial) require(!decision.writes() && decision.seat == SeatChange::none, "a refusal changes nothing");
    const auto before = license_.seats_held;
    if (decision.license) license_ = *decision.license;
    if (decision.activation) seats_[client_] = *decision.activation;
    if (decision.seat == SeatChange::released) gave_up_.insert(client_);
    if (decision.seat == SeatChange::granted) gave_up_.erase(client_);
    const auto after =
        std::int64_t{before} + (decision.seat == SeatChange::granted) - (decision.seat == SeatChange::released);
    require(license_.seats_held == after, "only a grant takes a seat and only a release frees one");
  }

  void activate_step() {
    reclaim();
    log_ << "activate ";
    const bool held = seat() != nullptr && holds_seat(*seat(), now_);
    const auto code = oracle().activate(fingerprint_, version_);
    const bool full = license_.seats_held >= allowed_seats(terms_);
    const auto decision = decide(license_, terms_, seat(), activate_command(), now_);
    keep(decision);
    if (code)
      return require(decision.denial && decision.denial->code == *code,
                     std::string("expected ") + std::string(wire_name(*code)));
    if (held) return require(decision.seat == SeatChange::renewed, "a holder renews");
    if (!decision.denial) return require(!full && decision.seat == SeatChange::granted, "a grant needs a free seat");
    const Code refusal = decision.denial->code;
    require(refusal == Code::transfer_limit_reached || (full && refusal == Code::max_clients_reached),
            "refused without a reason");
  }

  void validate_step() {
    log_ << "validate ";
    const std::string_view features[] = {"", "cad", "cam", "bim"};
    const std::string_view wanted = features[below(4)];
    const std::span<const std::string_view> asked(&wanted, wanted.empty() ? 0 : 1);
    const auto code = oracle().validate(fingerprint_, version_, std::string(wanted));
    const auto ends = seat() != nullptr ? seat()->lease_expires_at : 0;
    const auto decision =
        decide(license_, terms_, seat(), Validate{true, activate_command().fingerprint, version_, asked}, now_);
    require(decision.denial ? code == decision.denial->code : !code,
            std::string("expected ") + std::string(code ? wire_name(*code) : "ok"));
    require(terms_.floating() || !decision.writes(), "validating never changes a node-locked license");
    require(ends - now_ <= terms_.lease / 2 || !decision.writes(),
            "a beat with more than half of the lease left writes nothing");
    keep(decision);
    require(decision.denial || seat()->lease_expires_at >= ends, "a renewal never shortens a lease");
  }

  void deactivate_step() {
    reclaim();
    log_ << "deactivate ";
    const bool held = seat() != nullptr && holds_seat(*seat(), now_);
    const auto decision = decide(license_, terms_, seat(), Deactivate{}, now_);
    keep(decision);
    require(!decision.denial, "a release is never refused");
    require((decision.seat == SeatChange::released) == held, "only what is held is released");
  }

  // Whoever could renew may give its seat up and take it again, and all is as before.
  void return_step() {
    reclaim();
    log_ << "renew, deactivate, activate ";
    if (seat() == nullptr || !holds_seat(*seat(), now_)) return void(log_ << "no seat\n");
    const auto renewal = decide(license_, terms_, seat(), activate_command(), now_);
    keep(renewal);
    if (renewal.denial || license_.seats_held > allowed_seats(terms_)) return;
    const License before = license_;
    keep(decide(license_, terms_, seat(), Deactivate{}, now_));
    require(!holds_seat(*seat(), now_), "a release frees the seat");
    keep(decide(license_, terms_, seat(), activate_command(), now_));
    require(holds_seat(*seat(), now_), "deactivate, then activate restores the hold");
    require(license_ == before, "deactivate, then activate restores the license");
  }

  void use_step() {
    log_ << "use ";
    const std::int64_t quantity = 1 + below(5);
    const auto code = oracle().use(quantity, used_);
    const auto usage = decide(license_, terms_, seat(), UseMetric{true, "calls", quantity}, used_, now_);
    log_ << (usage.denial ? wire_name(usage.denial->code) : "ok") << "\n";
    require(usage.denial ? code == usage.denial->code : !code, "usage: another refusal was expected");
    require(usage.total == used_ + (usage.denial ? 0 : quantity), "the total is what was granted");
    used_ = usage.total;
  }

  void administer() {
    log_ << "administer ";
    if (chance(2) && seats_.contains(client_)) {
      seats_[client_].blocked = !seats_[client_].blocked;
      return void(log_ << "block " << seats_[client_].blocked << "\n");
    }
    const auto decision = decide(license_, chance(20)  ? StatusCommand::revoke
                                           : chance(3) ? StatusCommand::suspend
                                                       : StatusCommand::resume);
    keep(decision);
  }

  void check_seats() {
    reclaim();
    std::uint32_t held = 0;
    for (const auto& [client, seat] : seats_) held += holds_seat(seat, now_);
    require(held == license_.seats_held, "as many seats are counted as are held");
    require(held <= allowed_seats(terms_), "never more than allowed");
    require(!terms_.max_transfers || license_.transfers_in_period <= *terms_.max_transfers,
            "never more transfers than allowed");
    require(terms_.floating() || license_.vacant_seats + held <= allowed_seats(terms_), "a vacancy is a seat too");
    require(!terms_.floating() || license_.vacant_seats == 0, "floating seats leave no vacancies");
  }

  std::mt19937_64 random_;
  Terms terms_;
  License license_;
  std::map<int, Activation> seats_;
  std::set<int> gave_up_;
  std::int64_t used_ = 0;
  UnixSeconds now_ = kNow;
  int client_ = 0;
  Fingerprint fingerprint_;
  std::string version_;
  std::ostringstream log_;
  std::string broken_;
};

void expect_promises(std::uint64_t seed) {
  Run run(seed);
  const std::string broken = run.run();
  ASSERT_EQ(broken, "") << "seed " << seed << "\n" << run.log();
}

TEST(Sequences, KeepThePromisesForFixedSeeds) {
  for (std::uint64_t seed = 1; seed <= 1500 && !testing::Test::HasFatalFailure(); ++seed) expect_promises(seed);
}

TEST(Sequences, KeepThePromisesForSeedsNobodyChose) {
  std::random_device entropy;
  for (int i = 0; i < 100 && !testing::Test::HasFatalFailure(); ++i) expect_promises(entropy());
}

}  // namespace
}  // namespace lictor::test
