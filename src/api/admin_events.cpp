#include "api/admin.h"
#include "api/admin_view.h"
#include "api/query.h"

namespace lictor::api {
using licensing::Code;

void handle_list_events(Call& call) {
  const Query query(call.request().query);
  const auto refuse = [&](std::string_view field, std::string message) {
    call.fail(RequestFault{Code::bad_request, std::string(field), std::move(message)});
  };
  if (const auto unknown = query.unknown({"after", "subject", "action", "limit"})) {
    return refuse(*unknown, "is no parameter of this call, or is there twice");
  }
  const auto after = query.number("after", 0, 0, licensing::kNever);
  const auto limit = query.number("limit", 100, 1, 1000);
  if (!after) return refuse("after", "must be the sequence of an event");
  if (!limit) return refuse("limit", "must be a whole number from 1 to 1000");
  const store::EventFilter filter{*after, query.get("subject").value_or(""), query.get("action").value_or("")};
  ReadCall::submit(call, [filter, limit](store::Reader& reader) -> ReadCall::Reply {
    auto events = reader.events(filter, static_cast<std::size_t>(*limit));
    return [events = std::move(events), head = reader.audit_head()](Call& again) {
      std::vector<std::string> views;
      for (const auto& event : events) views.push_back(view_event(event));
      again.succeed(200,
                    begin_list("events", views) + ",\"head\":{\"sequence\":" + std::to_string(head.sequence) +
                        ",\"hash\":\"" + head.hash + "\"}}",
                    "Events");
    };
  });
}

}  // namespace lictor::api
