// The targets by name, for the table in targets.cpp. Each file fuzz/<subject>_target.cpp says what its properties are.
#pragma once

#include "fuzz/target.h"

namespace lictor::fuzz {

using Seeds = std::vector<std::string>;
using Words = std::vector<std::string_view>;

void http_parser(std::string_view input);
Seeds http_seeds();
Words http_dictionary();

void http_session(std::string_view input);
Seeds session_seeds();

void json_body(std::string_view input);
Seeds json_seeds();
Words json_dictionary();

void requests(std::string_view input);
Seeds request_seeds();

void documents(std::string_view input);
Seeds document_seeds();
Words document_dictionary();

void keys(std::string_view input);
Seeds key_seeds();
Words key_dictionary();

void fingerprints(std::string_view input);
Seeds fingerprint_seeds();

void members(std::string_view input);
Seeds member_seeds();
Words member_dictionary();

void addresses(std::string_view input);
Seeds address_seeds();
Words address_dictionary();

void query(std::string_view input);
Seeds query_seeds();
Words query_dictionary();

void encoding(std::string_view input);
Seeds encoding_seeds();

void config(std::string_view input);
Seeds config_seeds();
Words config_dictionary();

void redis_url(std::string_view input);
Seeds redis_url_seeds();
Words redis_url_dictionary();

void shared_entries(std::string_view input);
Seeds shared_entry_seeds();
Words shared_entry_dictionary();

void versions(std::string_view input);
Seeds version_seeds();
Words version_dictionary();

}  // namespace lictor::fuzz
