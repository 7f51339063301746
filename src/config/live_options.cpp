#include "config/live_options.h"

#include <algorithm>
#include <stdexcept>

namespace lictor::config {

LiveOptions::LiveOptions(const ParseOutcome& started) : options_(started.options.value()), values_(started.values) {}

void LiveOptions::on_change(std::initializer_list<std::string_view> names, Take take) {
  Taker taker;
  for (const std::string_view name : names) {
    const auto table = option_table();
    const auto found = std::ranges::find(table, name, &Option::name);
    if (found == table.end() || !found->changeable) {
      throw std::logic_error("option " + std::string(name) + " is not changeable in the table");
    }
    taker.options.push_back(&*found);
  }
  taker.take = std::move(take);
  takers_.push_back(std::move(taker));
}

void LiveOptions::require_takers() const {
  for (const Option& option : option_table()) {
    const auto takes = [&](const Taker& taker) { return std::ranges::count(taker.options, &option) != 0; };
    if (option.changeable && std::ranges::none_of(takers_, takes)) {
      throw std::logic_error("option " + std::string(option.name) + " is changeable in the table, but nobody takes it");
    }
  }
}

bool LiveOptions::differs(const EffectiveOption& mine, const EffectiveOption& read) const {
  return !(mine.value == read.value);
}

ReloadPlan LiveOptions::plan(const ParseOutcome& read) const {
  ReloadPlan plan;
  for (std::size_t row = 0; row < values_.size(); ++row) {
    const EffectiveOption& mine = values_[row];
    const EffectiveOption& other = read.values.at(row);
    if (!differs(mine, other)) continue;
    OptionChange change{mine.option, printable_text(mine), printable_text(other)};
    (mine.option->changeable ? plan.changed : plan.needs_restart).push_back(std::move(change));
  }
  return plan;
}

void LiveOptions::apply(const ParseOutcome& read) {
  std::vector<const Option*> changed;
  for (std::size_t row = 0; row < values_.size(); ++row) {
    const EffectiveOption& other = read.values.at(row);
    if (!other.option->changeable || !differs(values_[row], other)) continue;
    other.option->store(options_, other.value);
    values_[row] = other;
    changed.push_back(other.option);
  }
  for (const Taker& taker : takers_) {
    if (std::ranges::find_first_of(taker.options, changed) != taker.options.end()) taker.take(options_);
  }
}

}  // namespace lictor::config
