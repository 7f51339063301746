// The options while lictord runs: what SIGHUP changes. An option that is `changeable` in the table has at least one
// taker, who registers here; everything else waits for a restart.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.h"

namespace lictor::config {

struct OptionChange {
  const Option* option = nullptr;
  std::string before, after;  // as printable_text() has them
};
struct ReloadPlan {
  std::vector<OptionChange> changed;        // holds from now on
  std::vector<OptionChange> needs_restart;  // differs from what lictord runs with
};

// Not thread-safe: used by the thread that starts and reloads.
class LiveOptions {
 public:
  // Called with all options as they hold from now on.
  using Take = std::function<void(const Options&)>;

  explicit LiveOptions(const ParseOutcome& started);  // `started` has options

  const Options& options() const noexcept { return options_; }

  // `take` is called once for each reload that changes one of `names`. Throws std::logic_error for a name that is not
  // changeable in the table.
  void on_change(std::initializer_list<std::string_view> names, Take take);
  // Throws std::logic_error naming an option that the table calls changeable and nobody takes.
  void require_takers() const;

  // What `read`, which has options, says differently. Changes nothing.
  ReloadPlan plan(const ParseOutcome& read) const;
  // Takes over what may change and tells the takers.
  void apply(const ParseOutcome& read);

 private:
  struct Taker {
    std::vector<const Option*> options;
    Take take;
  };

  bool differs(const EffectiveOption& mine, const EffectiveOption& read) const;

  Options options_;
  std::vector<EffectiveOption> values_;
  std::vector<Taker> takers_;
};

}  // namespace lictor::config
