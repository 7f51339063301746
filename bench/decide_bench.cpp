// The core by itself (aim: a validation within 200 ns). Build with -DCMAKE_BUILD_TYPE=Release -DLICTOR_BENCH=ON.
#include <benchmark/benchmark.h>

#include <array>

#include "licensing/decide.h"

namespace lictor::licensing {
namespace {

constexpr UnixSeconds kNow = 1'800'000'000;

Fingerprint machine() {
  Fingerprint fingerprint{.kind = Fingerprint::Kind::components};
  for (const ComponentClass component : {ComponentClass::smbios, ComponentClass::disk, ComponentClass::mac}) {
    fingerprint.mask = static_cast<ComponentMask>(fingerprint.mask | bit_of(component));
    fingerprint.tags[static_cast<std::size_t>(component)].bytes.fill(static_cast<std::uint8_t>(component));
  }
  return fingerprint;
}

// What a customer's license looks like: bound hardware, a range of versions, a handful of features, an expiry.
struct Held {
  License license;
  Terms terms;
  Activation activation;
  Fingerprint fingerprint = machine();

  explicit Held(Seconds lease) {
    license.starts_at = kNow - 100;
    license.expires_at = kNow + 365 * 86400;
    license.seats_held = 3;
    terms.max_clients = 10;
    terms.lease = lease;
    terms.binding = Binding::normal;
    terms.versions = *VersionRange::parse(">=2.0 <3.0");
    for (const char* name : {"analysis", "cad", "export", "render", "simulation"}) {
      terms.features.push_back({name, std::nullopt, kNever});
    }
    activation.client.bytes[0] = 1;
    activation.held = true;
    activation.activated_at = kNow - 50;
    activation.lease_expires_at = lease > 0 ? kNow + lease : kNever;
    activation.fingerprint = fingerprint;
    activation.version = "2.3.1";
  }
};

// `now` passes through the optimizer each time, so that no decision is made in advance.
void validate(benchmark::State& state, const Held& held) {
  constexpr std::array<std::string_view, 2> kFeatures{"cad", "render"};
  const Validate command{
      .names_client = true, .fingerprint = &held.fingerprint, .version = "2.3.1", .features = kFeatures};
  UnixSeconds now = kNow;
  for (auto _ : state) {
    benchmark::DoNotOptimize(now);
    const Decision decision = decide(held.license, held.terms, &held.activation, command, now);
    if (decision.denial || decision.writes()) return state.SkipWithError("refused or written");
    benchmark::DoNotOptimize(&decision);
    benchmark::ClobberMemory();
  }
}

void validate_node_locked(benchmark::State& state) { validate(state, Held(0)); }
void validate_lease_more_than_half_left(benchmark::State& state) { validate(state, Held(3600)); }

void validate_lease_renewed(benchmark::State& state) {
  Held held(3600);
  held.activation.lease_expires_at = kNow + 1000;
  const Validate command{.names_client = true, .fingerprint = &held.fingerprint, .version = "2.3.1", .features = {}};
  UnixSeconds now = kNow;
  for (auto _ : state) {
    benchmark::DoNotOptimize(now);
    const Decision decision = decide(held.license, held.terms, &held.activation, command, now);
    if (decision.seat != SeatChange::renewed) return state.SkipWithError("not renewed");
    benchmark::DoNotOptimize(&decision);
    benchmark::ClobberMemory();
  }
}

void activate_granted(benchmark::State& state) {
  const Held held(0);
  const Activate command{.new_client = held.activation.client, .fingerprint = &held.fingerprint, .version = "2.3.1"};
  UnixSeconds now = kNow;
  for (auto _ : state) {
    benchmark::DoNotOptimize(now);
    const Decision decision = decide(held.license, held.terms, nullptr, command, now);
    if (decision.seat != SeatChange::granted) return state.SkipWithError("not granted");
    benchmark::DoNotOptimize(&decision);
    benchmark::ClobberMemory();
  }
}

void activate_renewed(benchmark::State& state) {
  const Held held(0);
  const Activate command{.new_client = {}, .fingerprint = &held.fingerprint, .version = "2.3.1"};
  UnixSeconds now = kNow;
  for (auto _ : state) {
    benchmark::DoNotOptimize(now);
    const Decision decision = decide(held.license, held.terms, &held.activation, command, now);
    if (decision.seat != SeatChange::renewed) return state.SkipWithError("not renewed");
    benchmark::DoNotOptimize(&decision);
    benchmark::ClobberMemory();
  }
}

BENCHMARK(validate_node_locked);
BENCHMARK(validate_lease_more_than_half_left);
BENCHMARK(validate_lease_renewed);
BENCHMARK(activate_granted);
BENCHMARK(activate_renewed);

}  // namespace
}  // namespace lictor::licensing

BENCHMARK_MAIN();
