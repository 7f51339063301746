#include "store/audit_chain.h"

#include <string_view>

#include "base/encoding.h"
#include "crypto/crypto.h"

namespace lictor::store {
namespace {

constexpr std::string_view kForm = "lictor-event-1\n";

void append_line(std::string& text, std::int64_t number) {
  base::append_number(text, number);
  text += '\n';
}

void append_field(std::string& text, std::string_view field) {
  base::append_number(text, static_cast<std::int64_t>(field.size()));
  text += ':';
  text += field;
  text += '\n';
}

void append_event(std::string& text, std::int64_t sequence, const Event& event) {
  text += kForm;
  append_line(text, sequence);
  append_line(text, event.at);
  append_field(text, event.actor);
  append_field(text, event.action);
  append_field(text, event.subject);
  append_field(text, event.client);
  append_field(text, event.code);
  append_field(text, event.request_id);
  append_field(text, event.detail);
}

}  // namespace

ChainHash next_hash(const ChainHash& previous, std::int64_t sequence, const Event& event, std::string& buffer) {
  buffer.assign(reinterpret_cast<const char*>(previous.data()), previous.size());
  append_event(buffer, sequence, event);
  return crypto::sha256(buffer);
}

ChainHash next_hash(const ChainHash& previous, std::int64_t sequence, const Event& event) {
  std::string buffer;
  return next_hash(previous, sequence, event, buffer);
}

const char* fault_text(ChainFault::Kind kind) noexcept {
  switch (kind) {
    case ChainFault::Kind::gap:
      return "events before it are missing";
    case ChainFault::Kind::edited:
      return "it was edited";
    case ChainFault::Kind::tail_missing:
      return "it and what follows are missing";
    case ChainFault::Kind::head_differs:
      return "the head record does not match it";
  }
  return "";
}

std::optional<ChainFault> verify_chain(ChainLink& link, std::span<const StoredEvent> events) {
  std::string buffer;
  for (const StoredEvent& stored : events) {
    if (stored.sequence != link.sequence + 1) return ChainFault{ChainFault::Kind::gap, stored.sequence};
    const ChainHash hash = next_hash(link.hash, stored.sequence, stored.event, buffer);
    if (base::to_hex(hash) != stored.hash) return ChainFault{ChainFault::Kind::edited, stored.sequence};
    link = {stored.sequence, hash};
  }
  return std::nullopt;
}

std::optional<ChainFault> verify_head(const ChainLink& link, const StoredEvent& head) {
  if (head.sequence > link.sequence) return ChainFault{ChainFault::Kind::tail_missing, link.sequence + 1};
  if (head.sequence < link.sequence || head.hash != base::to_hex(link.hash)) {
    return ChainFault{ChainFault::Kind::head_differs, link.sequence};
  }
  return std::nullopt;
}

}  // namespace lictor::store
