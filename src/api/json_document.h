// Bodies of administrative calls: any JSON object, as a DOM, and a reader of its members that names the one at fault.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "base/result.h"

namespace lictor::api {

// Strict: duplicate members at any depth, invalid UTF-8, depth over 16 and trailing text are refused.
base::Result<boost::json::object> parse_document(std::string_view text);

// Reads members by name; the first fault is kept, finish() adds members that nobody asked for.
class DocumentReader {
 public:
  explicit DocumentReader(const boost::json::object& document) : document_(document) {}

  std::optional<std::string> text(std::string_view name, std::size_t most, bool required = false);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
  std::optional<bool> boolean(std::string_view name);
  const boost::json::object* object(std::string_view name);
  const boost::json::array* array(std::string_view name);
  void any(std::string_view name) { known_.push_back(name); }  // read by somebody else
  void fault(std::string_view field, std::string message);
  void fault(const std::optional<base::Problem>& problem);
  std::optional<RequestFault> finish();

 private:
  const boost::json::value* take(std::string_view name);

  const boost::json::object& document_;
  std::vector<std::string_view> known_;
  std::optional<RequestFault> fault_;
};

// Content type, parse, then `work` with a reader; a body may be missing when `optional`. Answers what is refused.
void with_document(Call& call, bool optional, const std::function<void(const boost::json::object&)>& work);

}  // namespace lictor::api
