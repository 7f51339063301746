// What comes from and about Redis.
//
// redis_url: a URL that is taken says where the server is, and is taken again as it is shown; no text that tells of it
// repeats a password. shared_entries: no bytes open that were not sealed; what opens is, encoded, sealed and opened
// again, the same.
#include <algorithm>

#include "fuzz/targets.h"
#include "redis/redis_url.h"
#include "service/shared_entry.h"

namespace lictor::fuzz {
namespace {

const service::SharedEntryCodec& codec() {
  static const service::SharedEntryCodec made({1, 2, 3, 4});
  return made;
}

service::SharedPlace place() { return {codec().name({}), codec().field("client")}; }

std::string encoded(const service::SharedEntry& entry) {
  return service::SharedEntryCodec::encode(entry.view, entry.policy, entry.mark);
}

}  // namespace

void redis_url(std::string_view input) {
  const auto url = redis::parse_redis_url(input);
  if (!url) return require(!url.problem().message.empty(), "a refusal has its reason");
  require(url->host.empty() != url->path.empty(), "a host or a socket");
  require(url->port != 0, "a port");
  redis::RedisUrl bare = *url;
  bare.user.clear();
  bare.password.clear();
  const auto again = redis::parse_redis_url(redis::shown(*url));
  // A path may hold an @ behind what looks like a host; shown, nothing stands before it.
  require(static_cast<bool>(again), "what is shown is a URL");
  require(*again == bare, "the same place, without the account");
}

Seeds redis_url_seeds() {
  return {"redis://h",        "redis://:pw@[::1]:1/2",
          "redis://u:p%40@h", "unix:/run/redis.sock",
          "unix:///r?db=3",   "unix://:pw@/r@/x",
          "rediss://h",       "redis://h:0",
          "redis://u@h",      "redis://h/x"};
}
Words redis_url_dictionary() { return {"redis://", "unix:", "?db=", "@", "[::1]", "%40", ":", "/"}; }

void shared_entries(std::string_view input) {
  require(!codec().open(place(), input), "nothing opens that was not sealed");
  const auto entry = codec().open(place(), codec().seal(place(), 7, input));
  if (!entry) return;
  require(entry->written_at == 7, "the time");
  const auto again = codec().open(place(), codec().seal(place(), 7, encoded(*entry)));
  require(again.has_value(), "what was opened can be sealed again");
  require_equal(encoded(*again), encoded(*entry), "and is the same");
  require(again->view.activation == entry->view.activation, "the same activation");
  require(again->view.license.state == entry->view.license.state, "the same license");
}

Seeds shared_entry_seeds() {
  service::SharedEntry entry;
  entry.mark = {300, 0x0102030405060708};
  entry.view.license.overrides = "{}";
  Seeds seeds{encoded(entry)};
  for (const auto kind : {licensing::Fingerprint::Kind::absent, licensing::Fingerprint::Kind::opaque,
                          licensing::Fingerprint::Kind::components}) {
    entry.view.activation.emplace();
    entry.view.activation->fingerprint.kind = kind;
    for (const int mask : {0x00, 0x81, 0xFF}) {
      entry.view.activation->fingerprint.mask = static_cast<licensing::ComponentMask>(mask);
      entry.view.activation->version = "1.0";
      seeds.push_back(encoded(entry));
    }
  }
  return seeds;
}
Words shared_entry_dictionary() { return {"\x01", "\x02", "\x7F", "\xFF"}; }

}  // namespace lictor::fuzz
