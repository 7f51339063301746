// lictor audit list | verify
#include <fmt/format.h>

#include <boost/json.hpp>
#include <deque>

#include "base/encoding.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
#include "store/audit_chain.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kPageSize = 1000;  // the most that GET /events gives at once

struct Page {
  json::array events;
  store::StoredEvent head;  // its sequence and hash only
};

Page get_page(Client& client, std::int64_t after, std::size_t limit, const Query& filter = {}) {
  Query query = filter;
  query.emplace_back("after", std::to_string(after));
  query.emplace_back("limit", std::to_string(limit));
  json::object data = client.get("/events", query);
  const json::object head = object_of(data, "head");
  const auto sequence = number_of(head, "sequence");
  if (!sequence) throw CommandError(ExitCode::refused, "the server does not say where the audit log ends");
  return {array_of(data, "events"), {*sequence, {}, text_of(head, "hash")}};
}

std::int64_t sequence_of(const json::value& event) {
  const auto sequence = event.is_object() ? number_of(event.get_object(), "sequence") : std::nullopt;
  if (!sequence) throw CommandError(ExitCode::refused, "the server sent an audit event without a sequence");
  return *sequence;
}

// ---- list ----

struct ListOptions {
  std::optional<std::int64_t> after;
  std::string subject, action;
  std::size_t limit = 100;
};

// The first `limit` events after `after`.
json::array events_after(Client& client, std::int64_t after, std::size_t limit, const Query& filter) {
  json::array events;
  while (events.size() < limit) {
    Page page = get_page(client, after, std::min(limit - events.size(), kPageSize), filter);
    if (page.events.empty()) break;
    after = sequence_of(page.events.back());
    for (json::value& event : page.events) events.push_back(std::move(event));
  }
  return events;
}

// The newest `limit` events. The server gives them from the oldest on, so with a filter all of them are read.
json::array newest_events(Client& client, std::size_t limit, const Query& filter, bool filtered) {
  if (!filtered) {
    const std::int64_t head = get_page(client, 0, 1).head.sequence;
    return events_after(client, std::max<std::int64_t>(0, head - static_cast<std::int64_t>(limit)), limit, filter);
  }
  std::deque<json::value> newest;
  std::int64_t after = 0;
  while (true) {
    Page page = get_page(client, after, kPageSize, filter);
    if (page.events.empty()) break;
    after = sequence_of(page.events.back());
    for (json::value& event : page.events) newest.push_back(std::move(event));
    while (newest.size() > limit) newest.pop_front();
    if (page.events.size() < kPageSize) break;
  }
  return json::array(newest.begin(), newest.end());
}

void list(Session& session, const ListOptions& options) {
  const Query filter = {{"subject", options.subject}, {"action", options.action}};
  const bool filtered = !options.subject.empty() || !options.action.empty();
  Client& client = session.client();
  const json::array events = options.after ? events_after(client, *options.after, options.limit, filter)
                                           : newest_events(client, options.limit, filter, filtered);
  if (session.output().json()) return session.output().print_json(events);
  Table table({"SEQUENCE", "TIME", "ACTION", "SUBJECT", "ACTOR", "CLIENT", "CODE", "DETAIL"});
  for (const json::value& item : events) {
    const json::object& event = item.as_object();
    table.add({{std::to_string(sequence_of(item))},
               {time_or(event, "at", "")},
               {text_of(event, "action")},
               {text_of(event, "subject")},
               {text_of(event, "actor")},
               {text_of(event, "client")},
               {text_of(event, "code"), Colour::red},
               {text_of(event, "detail")}});
  }
  if (table.empty()) return session.output().remark("lictor: no events");
  session.output().print(table);
}

// ---- verify ----

struct NoOptions {};

store::StoredEvent stored_event(const json::value& value) {
  const std::int64_t sequence = sequence_of(value);
  const json::object& event = value.get_object();
  return {
      sequence,
      {number_of(event, "at").value_or(0), text_of(event, "actor"), text_of(event, "action"), text_of(event, "subject"),
       text_of(event, "client"), text_of(event, "code"), text_of(event, "request_id"), text_of(event, "detail")},
      text_of(event, "hash")};
}

// What was found: the last good event, the fault if there is one, and the event that shows it.
struct Verdict {
  store::ChainLink link;
  std::optional<store::ChainFault> fault;
  json::value event;  // null: there is none
};

// A page of events from `link` on, none of them newer than the head that was read first.
void verify_page(Verdict& verdict, const json::array& events, std::int64_t end) {
  std::vector<store::StoredEvent> stored;
  for (const json::value& event : events) {
    if (sequence_of(event) <= end) stored.push_back(stored_event(event));
  }
  verdict.fault = store::verify_chain(verdict.link, stored);
  for (const json::value& event : events) {
    if (verdict.fault && sequence_of(event) == verdict.fault->sequence) verdict.event = event;
  }
}

// Whether the head record has fallen behind the events: one newer than the newest it names, though it is read later.
std::optional<store::ChainFault> verify_newest(Client& client, const store::StoredEvent& head) {
  const Page newer = get_page(client, head.sequence, 1);
  if (newer.events.empty()) return std::nullopt;
  const std::int64_t sequence = sequence_of(newer.events.front());
  if (get_page(client, sequence, 1).head.sequence >= sequence) return std::nullopt;
  return store::ChainFault{store::ChainFault::Kind::head_differs, sequence};
}

// From the first event to the head that the first answer names, so that it ends on a busy server, too.
Verdict verify_all(Client& client) {
  Verdict verdict;
  Progress progress;
  Page page = get_page(client, 0, kPageSize);
  const store::StoredEvent head = page.head;
  while (true) {
    verify_page(verdict, page.events, head.sequence);
    progress.show(fmt::format("{} of {} events verified", verdict.link.sequence, head.sequence));
    if (verdict.fault || page.events.empty() || verdict.link.sequence >= head.sequence) break;
    page = get_page(client, verdict.link.sequence, kPageSize);
  }
  if (!verdict.fault) verdict.fault = store::verify_head(verdict.link, head);
  if (!verdict.fault) verdict.fault = verify_newest(client, head);
  return verdict;
}

json::object verdict_json(const Verdict& verdict) {
  json::object out{{"whole", !verdict.fault.has_value()},
                   {"events", verdict.link.sequence},
                   {"head", base::to_hex(verdict.link.hash)}};
  if (!verdict.fault) return out;
  out["bad_sequence"] = verdict.fault->sequence;
  out["reason"] = store::fault_text(verdict.fault->kind);
  out["event"] = verdict.event;
  return out;
}

void verify(Session& session, const NoOptions&) {
  const Verdict verdict = verify_all(session.client());
  if (session.output().json()) session.output().print_json(verdict_json(verdict));
  if (!verdict.fault) {
    if (session.output().json()) return;
    return session.output().print_line(
        fmt::format("{} events, the chain is whole; head {}", verdict.link.sequence, base::to_hex(verdict.link.hash)));
  }
  std::string line = fmt::format("the audit log is broken at event {}: {}", verdict.fault->sequence,
                                 store::fault_text(verdict.fault->kind));
  if (verdict.event.is_object()) {
    const json::object& event = verdict.event.get_object();
    line += printable(
        fmt::format(" ({} {} at {})", text_of(event, "action"), text_of(event, "subject"), time_or(event, "at", "?")));
  }
  const std::int64_t good = verdict.link.sequence;
  throw CommandError(ExitCode::refused, line, good == 0 ? "" : fmt::format("events 1 to {} are good", good));
}

}  // namespace

void add_audit_commands(CLI::App& app, Commands commands) {
  CLI::App& group =
      commands.add_group(app, "audit", "Read the audit log and verify that nobody changed it", "lictor audit verify");
  auto o = std::make_shared<ListOptions>();
  CLI::App& command =
      commands.add(group, "list", "List audit events: the newest, or those after a sequence",
                   "lictor audit list --subject lic_0123456789abcdefghjkmnpqrs --action seat.", o, list);
  command.add_option("--after", o->after, "From the event after this sequence on");
  command.add_option("--subject", o->subject, "Only of this license, product, policy or API key (its id)");
  command.add_option("--action", o->action, "Only actions that begin so, such as license. or seat.refused");
  command.add_option("--limit", o->limit, "How many at most (100)")
      ->check(CLI::Range(1, 10'000'000).description(""))
      ->type_name("N");
  commands.add(group, "verify", "Recompute the chain of hashes over all events", "lictor audit verify",
               std::make_shared<NoOptions>(), verify);
}

}  // namespace lictor::cli
