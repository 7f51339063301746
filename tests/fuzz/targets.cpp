#include "fuzz/targets.h"

#include <algorithm>
#include <array>

namespace lictor::fuzz {

std::span<const Target> targets() {
  static constexpr std::array kTargets{
      Target{"http_parser", http_parser, http_seeds, http_dictionary},
      Target{"http_session", http_session, session_seeds, http_dictionary},
      Target{"json_body", json_body, json_seeds, json_dictionary},
      Target{"requests", requests, request_seeds, json_dictionary},
      Target{"documents", documents, document_seeds, document_dictionary},
      Target{"keys", keys, key_seeds, key_dictionary},
      Target{"fingerprints", fingerprints, fingerprint_seeds, json_dictionary},
      Target{"members", members, member_seeds, member_dictionary},
      Target{"addresses", addresses, address_seeds, address_dictionary},
      Target{"query", query, query_seeds, query_dictionary},
      Target{"encoding", encoding, encoding_seeds, json_dictionary},
      Target{"config", config, config_seeds, config_dictionary},
      Target{"redis_url", redis_url, redis_url_seeds, redis_url_dictionary},
      Target{"shared_entries", shared_entries, shared_entry_seeds, shared_entry_dictionary},
      Target{"versions", versions, version_seeds, version_dictionary},
  };
  return kTargets;
}

const Target& target_of(std::string_view name) {
  const auto all = targets();
  const auto it = std::ranges::find(all, name, &Target::name);
  if (it == all.end()) throw std::out_of_range("no fuzz target " + std::string(name));
  return *it;
}

}  // namespace lictor::fuzz
