// Deadlines of many connections with one timer: a wheel of lists, one for each tick. Not thread-safe.
//
// A node stays where it is when its deadline moves later, which is what happens at every request; the wheel finds out
// when it comes by, and puts the node on. So setting a deadline is a comparison, and a tick touches only its own list.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lictor::http {

class Deadlines {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kTick{250};

  // To be derived from. Leaves the wheel when it is destroyed.
  class Node {
   public:
    Node() = default;
    ~Node() { unlink(); }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

   private:
    friend class Deadlines;
    void unlink() noexcept {
      previous_->next_ = next_;
      next_->previous_ = previous_;
      previous_ = next_ = this;
    }

    Node* previous_ = this;
    Node* next_ = this;
    std::uint64_t visit_ = 0;     // the tick whose list it is in
    std::uint64_t deadline_ = 0;  // in ticks
  };

  explicit Deadlines(TimePoint now) noexcept : start_(now) {}

  // TimePoint::max(): never, but still found by for_each.
  void set(Node& node, TimePoint deadline) noexcept {
    node.deadline_ = deadline == TimePoint::max() ? UINT64_MAX : tick_of(deadline) + 1;
    if (node.next_ == &node || node.deadline_ < node.visit_) link(node);
  }

  // Calls expired(Node&) for each whose deadline has passed; it may set, destroy and add nodes.
  template <class Expired>
  void advance(TimePoint now, const Expired& expired) {
    for (const std::uint64_t last = tick_of(now); tick_ < last;) {
      ++tick_;
      Node& list = lists_[tick_ % kLists];
      while (list.next_ != &list) {
        Node& node = *list.next_;
        const bool due = node.deadline_ <= tick_;
        if (due) node.deadline_ = UINT64_MAX;
        link(node);
        if (due) expired(node);
      }
    }
  }

  // Calls visit(Node&) for every node; it may destroy that node, but no other.
  template <class Visit>
  void for_each(const Visit& visit) {
    for (Node& list : lists_) {
      for (Node* node = list.next_; node != &list;) {
        Node* const next = node->next_;
        visit(*node);
        node = next;
      }
    }
  }

 private:
  static constexpr std::uint64_t kLists = 512;  // two minutes; what is due later is looked at once in between

  std::uint64_t tick_of(TimePoint time) const noexcept {
    return time <= start_ ? 0 : static_cast<std::uint64_t>((time - start_) / kTick);
  }

  void link(Node& node) noexcept {
    node.unlink();
    node.visit_ = std::min(std::max(node.deadline_, tick_ + 1), tick_ + kLists - 1);
    Node& list = lists_[node.visit_ % kLists];
    node.previous_ = list.previous_;
    node.next_ = &list;
    list.previous_->next_ = &node;
    list.previous_ = &node;
  }

  const TimePoint start_;
  std::uint64_t tick_ = 0;
  std::array<Node, kLists> lists_;
};

}  // namespace lictor::http
