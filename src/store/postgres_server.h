// What a PostgreSQL server must be for lictord, and its schema.
#pragma once

#include "store/postgres_connection.h"

namespace lictor::store {

// Throws StoreError, which says what is needed, when the server is too old or stores another encoding than UTF-8, and,
// `for_writing`, when it is a standby.
void require_usable(PostgresConnection& connection, bool for_writing);

// Brings the schema up to date; processes that start at the same time do so one after the other.
void migrate_alone(PostgresConnection& connection);

}  // namespace lictor::store
