// Audit events.
#include "api/admin.h"
#include "api/admin_change.h"
#include "api/admin_list.h"
#include "api/admin_view.h"

namespace lictor::api {
namespace {

std::optional<RequestFault> read_filter(const Arguments& arguments, store::EventFilter& filter) {
  filter.newest_first = arguments.text_or("order") == "desc";
  filter.after = arguments.integer("after").value_or(0);
  filter.before = arguments.integer("before").value_or(licensing::kNever);
  filter.subject = arguments.text_or("subject");
  filter.actor = arguments.text_or("actor");
  filter.action = arguments.text_or("action");
  filter.code = arguments.text_or("code");
  filter.request_id = arguments.text_or("request_id");
  filter.from = arguments.integer("from").value_or(0);
  filter.until = arguments.integer("to").value_or(licensing::kNever);
  std::optional<store::Position> position;
  if (auto fault = read_position(arguments, position)) return fault;
  if (!position) return std::nullopt;
  if (filter.newest_first) filter.before = std::min(filter.before, position->row);
  if (!filter.newest_first) filter.after = std::max(filter.after, position->row);
  return std::nullopt;
}

}  // namespace

void handle_list_events(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  store::EventFilter filter;
  if (const auto fault = read_filter(*arguments, filter)) return call.fail(*fault);
  const auto limit = static_cast<std::size_t>(arguments->integer("limit").value_or(100));
  ReadCall::submit(call, [filter, limit](store::Reader& reader) -> ReadCall::Reply {
    const store::StoredEvent head = reader.audit_head();  // first: whoever reads on behind it misses nothing
    const store::EventPage page = reader.events(filter, limit);
    std::vector<std::string> views;
    for (const auto& event : page.events) views.push_back(view_event(event));
    std::string data = begin_list("events", views);
    data += ",\"head\":{\"sequence\":" + std::to_string(head.sequence) + ",\"hash\":\"" + head.hash + "\"}";
    append_next(data, page.next ? std::optional(store::Position{.row = *page.next}) : std::nullopt);
    return [data = std::move(data)](Call& again) { again.succeed(200, data, "Events"); };
  });
}

}  // namespace lictor::api
