// lictor audit list | verify
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>

#include "base/encoding.h"
#include "base/id.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
#include "lictor/values.h"
#include "store/audit_chain.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kPageSize = 1000;  // the most that GET /events gives at once

struct Page {
  json::array events;
  store::StoredEvent head;  // its sequence and hash only
};

Page get_page(Client& client, std::int64_t after, std::size_t limit) {
  const json::object data = client.get("/events", {{"after", std::to_string(after)}, {"limit", std::to_string(limit)}});
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
  std::optional<std::int64_t> after, before;
  std::string subject, actor, action, code, request_id, from, to, order;
  Amount amount{100, false};
};

void require_subject(const std::string& subject) {
  if (subject.empty()) return;
  for (const auto prefix : {base::kLicensePrefix, base::kProductPrefix, base::kPolicyPrefix, base::kApiKeyPrefix}) {
    if (base::parse_id(prefix, subject)) return;
  }
  throw CommandError(ExitCode::usage,
                     fmt::format("--subject {}: no id; give that of a license (lic_…), product (prd_…), policy (pol_…) "
                                 "or API key (key_…), with 26 characters after the _",
                                 printable(subject)),
                     "lictor license find KEY, product show NAME, policy list and key list show ids");
}

struct Span {
  std::string from, to;  // Unix seconds; empty: open
};

Span read_span(const ListOptions& options, base::UnixSeconds now) {
  const bool begins = !options.from.empty(), ends = !options.to.empty();
  const auto from = begins ? required_moment("--from", options.from, now) : 0;
  const auto to = ends ? required_moment("--to", options.to, now) : 0;
  if (begins && ends) require_order({"--from", options.from, from}, {"--to", options.to, to});
  return {begins ? std::to_string(from) : "", ends ? std::to_string(to) : ""};
}

void list(Session& session, const ListOptions& options) {
  require_subject(options.subject);
  const Span span = read_span(options, session.now());
  const auto sequence = [](std::optional<std::int64_t> number) { return number ? std::to_string(*number) : ""; };
  // The newest events unless a start is given; shown in the order of time, whichever way they are read.
  const bool ascending = options.order == "asc" || (options.order.empty() && options.after);
  const Query query = {{"order", ascending ? "asc" : "desc"},
                       {"after", sequence(options.after)},
                       {"before", sequence(options.before)},
                       {"subject", options.subject},
                       {"actor", options.actor},
                       {"action", options.action},
                       {"code", options.code},
                       {"request_id", options.request_id},
                       {"from", span.from},
                       {"to", span.to}};
  Listing listing = session.client().list("/events", "events", query, options.amount.most(), kPageSize);
  if (options.order.empty() && !ascending) std::reverse(listing.items.begin(), listing.items.end());
  if (session.output().json()) return session.output().print_json(listing.items);
  Table table({"SEQUENCE", "TIME", "ACTION", "SUBJECT", "ACTOR", "CLIENT", "CODE", "DETAIL"});
  for (const json::value& item : listing.items) {
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

void add_list(CLI::App& group, Commands commands) {
  auto o = std::make_shared<ListOptions>();
  CLI::App& command =
      commands.add(group, "list", "List audit events: the newest, or those after a sequence",
                   "lictor audit list --subject lic_0123456789abcdefghjkmnpqrs --action seat.", o, list);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  add_number(command, "--after", o->after, "From the event after this sequence on", 0, kMost);
  add_number(command, "--before", o->before, "Only events before this sequence", 1, kMost);
  add_text(command, "--subject", o->subject, "Only of this license, product, policy or API key (its id)", "ID");
  add_text(command, "--actor", o->actor, "Only of this API key (its id), or system", "ID");
  add_text(command, "--action", o->action, "Only actions that begin so, such as license. or seat.refused", "ACTION");
  add_text(command, "--code", o->code, "Only with this code, such as MAX_CLIENTS_REACHED", "CODE");
  add_text(command, "--request-id", o->request_id, "Only of this request", "ID");
  add_text(command, "--from", o->from, "Only of this time or later: a date, or -7d", "TIME");
  add_text(command, "--to", o->to, "Only before this time", "TIME");
  add_choice(command, "--order", o->order, "Oldest or newest first (default: the newest events, oldest first)",
             {"asc", "desc"});
  add_amount(command, o->amount);
}

}  // namespace

void add_audit_commands(CLI::App& app, Commands commands) {
  CLI::App& group =
      commands.add_group(app, "audit", "Read the audit log and verify that nobody changed it", "lictor audit verify");
  add_list(group, commands);
  commands.add(group, "verify", "Recompute the chain of hashes over all events", "lictor audit verify",
               std::make_shared<NoOptions>(), verify);
}

}  // namespace lictor::cli
