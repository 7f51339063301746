// How SQLite writes its log: a layer over its own operating-system interface (https://www.sqlite.org/vfs.html) that
// joins the many small writes of a transaction into a few large ones.
//
// SQLite writes each page of a commit with two system calls; with a few hundred pages in a batch they cost as much as
// the fsync. Here they wait in memory until the log is synced, read, cut or closed. That is safe with synchronous =
// FULL only: a commit is made visible to others after the sync, and what was not synced was never promised.
#pragma once

namespace lictor::store {

// The name for sqlite3_open_v2(); registers the layer at the first call. Thread-safe. Everything but the log of
// connections opened under this name goes to SQLite's default directly.
const char* joined_log_vfs();

}  // namespace lictor::store
