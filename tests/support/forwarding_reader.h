// A reader that hands every call on to another one: what a test changes of it, it overrides.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "store/store.h"

namespace lictor::test {

class ForwardingReader : public store::Reader {
 public:
  explicit ForwardingReader(std::unique_ptr<store::Reader> real) : real_(std::move(real)) {}
  std::optional<store::LicenseView> license(const store::LicenseRef& ref, std::optional<std::string_view> client_id,
                                            store::UnixSeconds now) override {
    return real().license(ref, client_id, now);
  }
  std::optional<store::ClientView> client(const store::Id& client) override { return real().client(client); }
  std::optional<store::ClientView> client(const store::Id& license, std::string_view client_id) override {
    return real().client(license, client_id);
  }
  std::optional<store::LicenseDetails> license_details(const store::LicenseRef& ref, store::UnixSeconds now) override {
    return real().license_details(ref, now);
  }
  store::LicensePage licenses(const store::LicenseFilter& filter, store::LicenseOrder order,
                              const std::optional<store::Position>& after, std::size_t limit,
                              store::UnixSeconds now) override {
    return real().licenses(filter, order, after, limit, now);
  }
  store::HeldSeats held_seats(store::Row license, std::size_t limit, store::UnixSeconds now) override {
    return real().held_seats(license, limit, now);
  }
  std::vector<store::ClientView> clients(store::Row license, std::string_view after, std::size_t limit) override {
    return real().clients(license, after, limit);
  }
  std::vector<store::Product> products() override { return real().products(); }
  std::vector<store::Policy> policies() override { return real().policies(); }
  std::optional<store::ApiKey> api_key(const store::Id& id) override { return real().api_key(id); }
  std::vector<store::ApiKey> api_keys() override { return real().api_keys(); }
  store::EventPage events(const store::EventFilter& filter, std::size_t limit) override {
    return real().events(filter, limit);
  }
  store::StoredEvent audit_head() override { return real().audit_head(); }
  store::Totals totals() override { return real().totals(); }
  store::ChangePage changes(const store::ChangePlace& place, std::size_t limit) override {
    return real().changes(place, limit);
  }
  std::int64_t catalog_version() override { return real().catalog_version(); }
  void ping() override { real().ping(); }
  store::StatisticsReader& statistics() override { return real().statistics(); }
  void at_one_moment(const std::function<void()>& reads) override { real().at_one_moment(reads); }

 protected:
  // Every call goes through it: throw here to make all of them fail.
  virtual store::Reader& real() { return *real_; }

 private:
  const std::unique_ptr<store::Reader> real_;
};

}  // namespace lictor::test
