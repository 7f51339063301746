// Files that hold one secret: mode 0600, replaced as a whole, durable before the function returns.
#pragma once

#include <string>
#include <string_view>

namespace lictor::daemon {

// Throws std::system_error naming the path.
void write_key_file(const std::string& path, std::string_view secret);
// For what is no secret: mode 0644.
void write_text_file(const std::string& path, std::string_view text);

}  // namespace lictor::daemon
