// From rows to records: the column orders of queries.h, read by position.
#pragma once

#include "store/sql_connection.h"
#include "store/store.h"

namespace lictor::store {

// One after the last column of the shared lists, where the lists that continue them begin.
inline constexpr int kLicenseColumns = 17;
inline constexpr int kDetailsColumns = 19;
inline constexpr int kActivationColumns = 11;

LicenseRow read_license(const Statement::Rows& rows);
LicenseDetails read_details(const Statement::Rows& rows);
licensing::Activation read_activation(const Statement::Rows& rows);
LicenseView read_view(const Statement::Rows& rows);
ClientView read_client(const Statement::Rows& rows);
StoredEvent read_event(const Statement::Rows& rows);
ApiKey read_api_key(const Statement::Rows& rows);

}  // namespace lictor::store
