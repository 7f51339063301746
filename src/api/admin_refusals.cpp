// What clients were refused, and why.
#include <fmt/format.h>

#include "api/admin.h"
#include "api/admin_change.h"
#include "api/admin_list.h"
#include "api/admin_view.h"
#include "api/signed_request.h"
#include "base/encoding.h"
#include "store/statistics.h"

namespace lictor::api {
namespace {

using namespace std::chrono_literals;

// So long the answer waits for what was refused just now.
constexpr auto kWriteTime = 2s;

struct RefusalsQuery {
  store::RefusalFilter filter;
  std::optional<store::LicenseRef> license;
  std::optional<store::Position> before;
  std::size_t limit = 0;
};

std::string view_refusal(const store::StoredRefusal& stored) {
  const store::Refusal& refusal = stored.refusal;
  return fmt::format(
      R"({{"at":{},"request_id":{},"endpoint":{},"code":{},"message":{},"details":{},"license_id":{},"client_id":{},"actor":{}}})",
      refusal.at, base::json_string(refusal.request_id), base::json_string(refusal.endpoint),
      base::json_string(refusal.code), base::json_string(refusal.message),
      refusal.details.empty() ? "{}" : refusal.details,
      stored.license_id ? "\"" + base::format_id(base::kLicensePrefix, stored.license_id) + "\"" : "null",
      text_or_null(refusal.client_id), text_or_null(refusal.actor));
}

ReadCall::Reply list(store::Reader& reader, RefusalsQuery query, base::UnixSeconds now) {
  if (query.license) {
    const auto license = reader.license(*query.license, std::nullopt, now);
    if (!license) return [](Call& again) { again.fail(licensing::Code::not_found); };
    query.filter.license = license->license.row;
  }
  const auto page = reader.statistics().refusals(query.filter, query.before ? query.before->row : 0, query.limit);
  std::vector<std::string> views;
  for (const auto& refusal : page.refusals) views.push_back(view_refusal(refusal));
  std::string data = begin_list("refusals", views);
  append_next(data, page.next == 0 ? std::nullopt : std::optional(store::Position{.row = page.next}));
  return [data = std::move(data)](Call& again) { again.succeed(200, data, "Refusals"); };
}

}  // namespace

void handle_list_refusals(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  RefusalsQuery query;
  query.filter.request_id = arguments->text_or("request_id");
  query.filter.client_id = arguments->text_or("client_id");
  query.filter.code = arguments->text_or("code");
  if (const auto fault = read_license_id(*arguments, query.license)) return call.fail(*fault);
  if (const auto fault = read_position(*arguments, query.before)) return call.fail(*fault);
  query.limit = static_cast<std::size_t>(arguments->integer("limit").value_or(50));
  ReadCall::submit(call, [&app = call.app(), query](store::Reader& reader) {
    if (!query.before) app.statistics.write_refusals(kWriteTime);
    return list(reader, query, app.clock.now());
  });
}

}  // namespace lictor::api
