#include "store/placement.h"

#include <array>
#include <charconv>
#include <chrono>

#include "store/meta.h"
#include "store/queries.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;
using State = Arrival::State;

constexpr std::string_view kMovedId = "moved.id", kMovedTo = "moved.to", kMovedAt = "moved.at";
constexpr std::string_view kMoveState = "move.state", kMoveId = "move.id", kMoveFrom = "move.from", kMoveAt = "move.at";
constexpr std::array<std::string_view, 3> kStates{"copying", "ready", "opened"};

UnixSeconds time_of(const std::optional<std::string>& text) {
  UnixSeconds time = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), time);
  return time;
}

std::string date_of(UnixSeconds time) {
  const std::chrono::year_month_day day(
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds(std::chrono::seconds(time))));
  const auto digits = [](unsigned number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  return std::to_string(static_cast<int>(day.year())) + "-" + digits(static_cast<unsigned>(day.month())) + "-" +
         digits(static_cast<unsigned>(day.day()));
}

State state_of(Connection& connection, std::string_view text) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (kStates[i] == text) return static_cast<State>(i);
  }
  connection.fail_corrupt("the record of its move is not understood");
}

std::string_view text_of(State state) { return kStates[static_cast<std::size_t>(state)]; }

}  // namespace

std::optional<Departure> departure(Connection& connection) {
  const auto id = read_meta(connection, kMovedId);
  if (!id) return std::nullopt;
  return Departure{*id, read_meta(connection, kMovedTo).value_or("?"), time_of(read_meta(connection, kMovedAt))};
}

std::optional<Arrival> arrival(Connection& connection) {
  const auto state = read_meta(connection, kMoveState);
  if (!state) return std::nullopt;
  return Arrival{state_of(connection, *state), read_meta(connection, kMoveId).value_or(""),
                 read_meta(connection, kMoveFrom).value_or("?"), time_of(read_meta(connection, kMoveAt))};
}

void write_departure(Connection& connection, const Departure& departure) {
  write_meta(connection, kMovedId, departure.id);
  write_meta(connection, kMovedTo, departure.to);
  write_meta(connection, kMovedAt, std::to_string(departure.at));
}

void erase_departure(Connection& connection) {
  for (const std::string_view name : {kMovedId, kMovedTo, kMovedAt}) erase_meta(connection, name);
}

void write_arrival(Connection& connection, const Arrival& arrival) {
  write_meta(connection, kMoveState, text_of(arrival.state));
  write_meta(connection, kMoveId, arrival.id);
  write_meta(connection, kMoveFrom, arrival.from);
  write_meta(connection, kMoveAt, std::to_string(arrival.at));
}

bool change_arrival(Connection& connection, State from, State to) {
  return change_meta(connection, kMoveState, text_of(from), text_of(to));
}

bool is_placement(std::string_view meta_name) noexcept {
  return meta_name.starts_with("move.") || meta_name.starts_with("moved.");
}

std::string moved_text(const Departure& departure) {
  return "this database was moved to " + departure.to + " on " + date_of(departure.at);
}

void require_servable(Connection& connection) {
  if (!connection.has_table("meta")) return;
  if (const auto moved = departure(connection)) {
    throw StoreError(Kind::moved, "database " + connection.name() + ": " + moved_text(*moved) +
                                      ": start with DATABASE_URL=" + moved->to);
  }
  const auto arrived = arrival(connection);
  if (!arrived || arrived->state != State::copying) return;
  throw StoreError(Kind::moved, "database " + connection.name() + " holds an unfinished move of " + arrived->from +
                                    ", begun on " + date_of(arrived->at) +
                                    ": give the command again that began it (lictord migrate), or start with " +
                                    "DATABASE_URL=" + arrived->from);
}

void note_served(Connection& connection) {
  const auto arrived = arrival(connection);
  if (!arrived || arrived->state == State::opened) return;
  if (!change_arrival(connection, State::ready, State::opened)) require_servable(connection);  // it was taken back
}

}  // namespace lictor::store
