// How SQLite is set up, and why; measured with bench_store.
#pragma once

namespace lictor::store {

// Only for a new file, before anything is written. Activations spread over many licenses touch a page of each of five
// trees, and each touched page is written whole.
inline constexpr int kPageBytes = 2048;

// The writer: each COMMIT is on the disk when it returns. The log is copied back by Checkpointer alone. Deleted rows
// are wiped where that costs no further page.
inline constexpr const char* kWriterSettings =
    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = FAST; "
    "PRAGMA cell_size_check = ON; PRAGMA cache_size = -65536";

// A reader's cache is dropped at each commit of the writer, so it is small. The file is not mapped: its pages would
// count as the server's memory, hundreds of bytes for each license that is read, and save about a microsecond a read.
inline constexpr const char* kReaderSettings =
    "PRAGMA query_only = ON; PRAGMA cell_size_check = ON; PRAGMA cache_size = -4096; PRAGMA mmap_size = 0";

// The checkpointer copies pages from the log to the file and needs no cache.
inline constexpr const char* kCheckpointerSettings =
    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -1024";

}  // namespace lictor::store
