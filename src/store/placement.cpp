#include "store/placement.h"

#include <array>
#include <charconv>
#include <chrono>

#include "store/queries.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;
using State = Arrival::State;

constexpr std::string_view kMovedId = "moved.id", kMovedTo = "moved.to", kMovedAt = "moved.at";
constexpr std::string_view kMoveState = "move.state", kMoveId = "move.id", kMoveFrom = "move.from", kMoveAt = "move.at";
constexpr std::array<std::string_view, 3> kStates{"copying", "ready", "opened"};

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::optional<std::string> read(Connection& connection, std::string_view name) {
  Statement statement(connection, sql::kMeta);
  auto rows = statement.rows(name);
  if (!rows.next()) return std::nullopt;
  const auto blob = rows.blob(0);
  return std::string(blob.begin(), blob.end());
}

void erase(Connection& connection, std::string_view name) { Statement(connection, sql::kDeleteMeta).run(name); }

void write(Connection& connection, std::string_view name, std::string_view value) {
  erase(connection, name);
  Statement(connection, sql::kInsertMeta).run(name, bytes_of(value));
}

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
  const auto id = read(connection, kMovedId);
  if (!id) return std::nullopt;
  return Departure{*id, read(connection, kMovedTo).value_or("?"), time_of(read(connection, kMovedAt))};
}

std::optional<Arrival> arrival(Connection& connection) {
  const auto state = read(connection, kMoveState);
  if (!state) return std::nullopt;
  return Arrival{state_of(connection, *state), read(connection, kMoveId).value_or(""),
                 read(connection, kMoveFrom).value_or("?"), time_of(read(connection, kMoveAt))};
}

void write_departure(Connection& connection, const Departure& departure) {
  write(connection, kMovedId, departure.id);
  write(connection, kMovedTo, departure.to);
  write(connection, kMovedAt, std::to_string(departure.at));
}

void erase_departure(Connection& connection) {
  for (const std::string_view name : {kMovedId, kMovedTo, kMovedAt}) erase(connection, name);
}

void write_arrival(Connection& connection, const Arrival& arrival) {
  write(connection, kMoveState, text_of(arrival.state));
  write(connection, kMoveId, arrival.id);
  write(connection, kMoveFrom, arrival.from);
  write(connection, kMoveAt, std::to_string(arrival.at));
}

bool change_arrival(Connection& connection, State from, State to) {
  Statement(connection, sql::kChangeMeta).run(kMoveState, bytes_of(text_of(from)), bytes_of(text_of(to)));
  return connection.changed_rows() == 1;
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
