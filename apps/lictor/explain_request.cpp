// Refusals that have nothing to do with the state of a license: what the client sent, who sent it, how the server was.
#include "lictor/telling.h"

namespace lictor::cli {
namespace {

void tell_field(Telling& t) {
  const std::string field = t.detail("field");
  if (!field.empty()) t.why("the member at fault is {}", field);
  if (!t.message().empty()) t.why("the server said: {}", t.message());
}

void tell_bad_request(Telling& t) {
  tell_field(t);
  t.todo("correct the client's request; docs/http-api.md says what {} takes", t.endpoint());
}

void tell_unknown_field(Telling& t) {
  tell_field(t);
  t.todo("leave the member out, or look for a typing error: unknown members are refused, not passed over");
}

void tell_too_large(Telling& t) {
  t.why("a request has at most 64 KiB");
  t.todo("send less in one request");
}

void tell_media_type(Telling& t) {
  t.why("the body was sent with another Content-Type, or with none");
  t.todo("send the header Content-Type: application/json");
}

void tell_method(Telling& t) {
  t.why("{} was called with a method it does not have", t.endpoint());
  t.todo("see docs/http-api.md; a redirect from http to https turns POST into GET in many clients");
}

void tell_timeout(Telling& t) {
  t.why("the request began and did not come to its end in time");
  t.todo("look at the client's connection, and at proxies between it and the server");
}

void tell_unauthenticated(Telling& t) {
  t.why("the request had no API key, one that the server does not know, or one that is revoked or expired");
  t.why("or it came from an address that the API key is not for");
  t.todo("see the keys, their state and addresses: lictor key list");
  t.todo("make another: lictor key create NAME --scope license:activate,license:validate");
}

void tell_signature(Telling& t) {
  t.why("the product or the API key wants signed requests, and the signature was missing or did not fit");
  t.todo("see that the client signs the members as docs/http-api.md says, with the API key that it sends");
}

void tell_ambiguous(Telling& t) {
  t.why("a member is no text or whole number, or has & or = in it: such a request can't be signed");
  t.todo("send it unsigned, or with other members");
}

void tell_replayed(Telling& t) {
  t.why("the very same signed request was received before");
  t.todo("let the client sign each attempt anew, with a new timestamp");
}

void tell_clock_skew(Telling& t) {
  t.why("the request's timestamp was more than 300 seconds off the server's clock");
  t.todo("set the clock of the client's machine; lictor status warns when this machine's and the server's differ");
}

void tell_forbidden(Telling& t) {
  t.why("the API key lacks the scope that {} needs, or is for another product", t.endpoint());
  t.todo("see its scopes and its product: lictor key list");
  t.todo("make one that may: lictor key create NAME --scope SCOPE");
}

void tell_not_found(Telling& t) {
  t.why("nothing of that name or id is there, or the API key may not see it");
  t.todo("see what is there: lictor license list, lictor product list, lictor policy list");
}

void tell_exists(Telling& t) {
  t.why("something of that name, key or id is there already");
  t.todo("take another name, or change the one that is there");
}

void tell_precondition(Telling& t) {
  t.why("somebody else changed it after the caller had read it");
  const std::string etag = t.detail("etag");
  if (!etag.empty()) t.why("its etag is now {}", etag);
  t.todo("read it again, and decide anew");
}

void tell_in_use(Telling& t) {
  t.why("others need it: a product has policies, a policy has licenses");
  if (!t.message().empty()) t.why("the server said: {}", t.message());
  t.todo("see what needs it: lictor policy list --product NAME, lictor license list --product NAME --policy NAME");
}

void tell_rows(Telling& t) {
  if (const auto failed = t.number("failed")) t.why("{} rows can't be imported, so none was", *failed);
  t.todo("see why, row by row: lictor license import FILE --dry-run");
}

void tell_idempotency(Telling& t) {
  t.why("the idempotency key was used before, with another request");
  t.todo("let the client take a new key for each new request, and the same only to repeat one");
}

void tell_rate(Telling& t) {
  t.why("the caller sent more requests than it may");
  t.todo("let the client wait as the header Retry-After says; the limits are in docs/operations.md");
}

void tell_overloaded(Telling& t) {
  t.why("the server had more to do than it could; nothing was recorded");
  t.todo("let the client try again; look at lictor status --server and the metrics when it lasts");
}

void tell_unavailable(Telling& t) {
  if (t.detail("recorded") == "unknown") {
    t.why("the database did not confirm what it was to record: it may have, or not; the client sends it again");
  } else {
    t.why("the database could not be reached or written; nothing was recorded");
  }
  t.todo("look at the server's log, at the space on its disk, and at the database");
}

void tell_internal(Telling& t) {
  t.why("something went wrong inside the server");
  t.todo("find the request id in the server's log");
}

}  // namespace

const std::vector<Explainer> kRequestExplainers = {
    {"BAD_REQUEST", "The request was malformed.", tell_bad_request},
    {"UNKNOWN_FIELD", "The request had a member that is not known.", tell_unknown_field},
    {"PAYLOAD_TOO_LARGE", "The request was too large.", tell_too_large},
    {"UNSUPPORTED_MEDIA_TYPE", "The body was not sent as application/json.", tell_media_type},
    {"METHOD_NOT_ALLOWED", "The call does not have this method.", tell_method},
    {"REQUEST_TIMEOUT", "The request did not arrive in time.", tell_timeout},
    {"UNAUTHENTICATED", "The caller showed no valid API key.", tell_unauthenticated},
    {"SIGNATURE_INVALID", "The request's signature was missing or wrong.", tell_signature},
    {"SIGNATURE_AMBIGUOUS", "The request can't be signed unambiguously.", tell_ambiguous},
    {"REPLAYED", "The same signed request was received before.", tell_replayed},
    {"CLOCK_SKEW", "The client's clock is wrong.", tell_clock_skew},
    {"FORBIDDEN", "The API key may not do this.", tell_forbidden},
    {"NOT_FOUND", "There is no such thing.", tell_not_found},
    {"ALREADY_EXISTS", "There is one already.", tell_exists},
    {"PRECONDITION_FAILED", "It was changed meanwhile.", tell_precondition},
    {"IN_USE", "It can't be deleted: others need it.", tell_in_use},
    {"ROWS_REJECTED", "Rows of the import were refused.", tell_rows},
    {"IDEMPOTENCY_CONFLICT", "The idempotency key was used with another request.", tell_idempotency},
    {"RATE_LIMITED", "There were too many requests.", tell_rate},
    {"OVERLOADED", "The server was busy.", tell_overloaded},
    {"UNAVAILABLE", "The database was not available.", tell_unavailable},
    {"INTERNAL", "The server failed.", tell_internal},
};

}  // namespace lictor::cli
