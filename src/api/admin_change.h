// Administrative changes: what every one of them has in common. A change is one transaction; it may carry an
// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header: the same request again gets the first answer again) and
// If-Match (RFC 9110, section 13.1.1: refused when what is to be changed is not what the caller saw).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "api/fields.h"

namespace lictor::api {

// How a change ends: refused, and nothing is recorded, or done.
struct Outcome {
  std::optional<Failure> failure;
  int status = 200;
  std::string data;  // JSON object
  std::string message;
  std::string etag;  // of what was changed; empty: none
  std::string once;  // members that only the first answer has, as JSON without braces: `"api_key":"…"`
};
Outcome refused(Failure failure);
Outcome refused(const RequestFault& fault);
Outcome refused(licensing::Code code, std::string message = {});

// Whose change it is, as its transaction has it: while the change waited, the key may have been changed or revoked.
struct Author {
  store::ApiKey key;
  auth::KeyRights rights;
  std::string address;  // from where the key is used now
};

// The transaction of a change, as its work sees it. On the write path's thread.
class Change {
 public:
  Change(App& its_app, store::Tx& its_tx, const Author& its_author, base::UnixSeconds its_time,
         std::vector<store::Event>& its_events, const std::vector<std::string>& if_match)
      : app(its_app), tx(its_tx), author(its_author), now(its_time), events(its_events), if_match_(if_match) {}

  App& app;
  store::Tx& tx;
  const Author& author;
  const base::UnixSeconds now;
  std::vector<store::Event>& events;

  // Nothing when the caller's If-Match names this state, or there was none.
  std::optional<Failure> refuse_stale(std::string_view etag);
  // Whether there is an If-Match that nothing was compared with.
  bool ignored_if_match() const noexcept { return !if_match_.empty() && !compared_; }
  void record(std::string_view action, std::string subject, std::string detail = {}, std::string client = {});
  // Caches and catalogues learn of the change, in the order of these calls.
  void after_commit(std::function<void()> step) { steps_.push_back(std::move(step)); }
  std::vector<std::function<void()>>& steps() noexcept { return steps_; }

 private:
  const std::vector<std::string>& if_match_;
  bool compared_ = false;
  std::vector<std::function<void()>> steps_;
};

using ChangeWork = std::function<Outcome(Change&)>;

struct ChangeMessages {
  std::string exists;  // of ALREADY_EXISTS: a unique name or key is taken
  std::string in_use;  // of IN_USE: others refer to what was to be deleted
};
// Runs `work` in a transaction and answers with its outcome. `work` may run again after a retry.
void submit_change(Call& call, ChangeWork work, ChangeMessages messages = {});

// What the route's table of fields allows, from the body or, of GET, the query. Nothing: the call was answered with
// what is wrong.
std::optional<Arguments> read_arguments(Call& call);

// `"…"`: names a state; the same in every process on one database.
std::string make_etag(const App& app, std::string_view state);

// The detail of an event that tells what became what: {"holder":{"from":"a","to":"b"}}. Values are JSON.
class ChangedMembers {
 public:
  void add(std::string_view name, const std::string& from, const std::string& to);  // nothing when they are equal
  bool empty() const noexcept { return text_.empty(); }
  std::string detail(std::string_view reason) const;

 private:
  std::string text_;
};
// {"reason":"…"}, or empty.
std::string reason_detail(std::string_view reason);

}  // namespace lictor::api
