// Whether a database file is all there: SQLite itself takes a file that lacks its end for one whose last page is zero.
#pragma once

#include <string>

namespace lictor::store {

// Throws StoreError corrupt when the file is shorter than its own head says and no log can have the rest. Nothing to
// say about what is no SQLite database, or is not there.
void check_file_is_whole(const std::string& path);

}  // namespace lictor::store
