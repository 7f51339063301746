// The chain of audit events: each event's hash covers its predecessor's, so that an event that was edited, taken out or
// moved is found by whoever recomputes the chain (security.md, A31).
//
//   hash(n)   = SHA-256( hash(n-1) text(n) )         hash(0) is 32 zero bytes; sequences count from 1
//   text(n)   = "lictor-event-1" LF number(sequence) number(at)
//               field(actor) field(action) field(subject) field(client) field(code) field(request_id) field(detail)
//   number(x) = decimal digits of x, "-" before a negative one, LF
//   field(x)  = decimal length of x in bytes, ":", the bytes of x, LF
//
// Lengths make the text injective: no two events share one. The form is persisted through the hashes: never change it.
// Someone who can rewrite the whole tail together with the head record is found only by comparing with a head that was
// kept elsewhere. Pure and thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "store/store.h"

namespace lictor::store {

using ChainHash = std::array<std::uint8_t, 32>;

// A place in the chain: the newest event seen so far. The default is the place before the first event.
struct ChainLink {
  std::int64_t sequence = 0;
  ChainHash hash{};
};

ChainHash next_hash(const ChainHash& previous, std::int64_t sequence, const Event& event);
// The same with a buffer that is kept between calls.
ChainHash next_hash(const ChainHash& previous, std::int64_t sequence, const Event& event, std::string& buffer);

struct ChainFault {
  enum class Kind : std::uint8_t {
    gap,           // events before this one are missing
    edited,        // this event, or its hash, is not what was written
    tail_missing,  // the head record names newer events than there are
    head_differs,  // the head record does not match the newest event
  };
  Kind kind = Kind::gap;
  std::int64_t sequence = 0;  // of the event at which it shows

  bool operator==(const ChainFault&) const = default;
};
const char* fault_text(ChainFault::Kind kind) noexcept;  // for people

// Checks that `events` follow `link` without a gap and moves `link` past the good ones, so that a long chain is checked
// page by page. Nothing when all is well.
[[nodiscard]] std::optional<ChainFault> verify_chain(ChainLink& link, std::span<const StoredEvent> events);
// At the end: whether the head record is the newest event that was seen.
[[nodiscard]] std::optional<ChainFault> verify_head(const ChainLink& link, const StoredEvent& head);

}  // namespace lictor::store
