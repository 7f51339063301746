// Where a database stands when `lictord migrate` moved one: a few records in `meta`, by which a server that opens it
// knows whether to serve it.
//
//   on what was moved away      moved.id, moved.to (without a password), moved.at
//   on what it was moved to     move.state, move.id, move.from, move.at
//
// docs/decisions/0009-moving.md says why no interruption leaves two databases that both serve. The triggers that make
// the old one refuse each write are the engine's part (move_end.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/sql_connection.h"

namespace lictor::store {

// An id is text that nobody else chose; it ties both ends of one move together.
struct Departure {
  std::string id;
  std::string to;
  UnixSeconds at = 0;
};
struct Arrival {
  enum class State : std::uint8_t {
    copying,  // not all is here, or it was taken back
    ready,    // all is here, nobody has served it yet
    opened,   // somebody has
  };
  State state = State::copying;
  std::string id;
  std::string from;
  UnixSeconds at = 0;
};

std::optional<Departure> departure(Connection& connection);
std::optional<Arrival> arrival(Connection& connection);

// In the caller's transaction.
void write_departure(Connection& connection, const Departure& departure);
void erase_departure(Connection& connection);
void write_arrival(Connection& connection, const Arrival& arrival);  // replaces one that is there
// False when it is not in the state `from`: of several who ask for it at once, one gets true.
[[nodiscard]] bool change_arrival(Connection& connection, Arrival::State from, Arrival::State to);

bool is_placement(std::string_view meta_name) noexcept;

std::string moved_text(const Departure& departure);  // "this database was moved to … on 2026-11-26"

// For whoever opens a database to serve it, before anything is written. Throws StoreError moved, with what to do, when
// it was moved away or is half a copy. Nothing to say about a database without a schema.
void require_servable(Connection& connection);
// Afterwards: from now on the move here can't be undone.
void note_served(Connection& connection);

}  // namespace lictor::store
