// A file of prepared HTTP requests: each as its length (32 bits, in the byte order of this machine) and its bytes.
// bench_seed writes them, bench_load sends them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace lictor::bench {

class RequestFileWriter {
 public:
  explicit RequestFileWriter(const std::string& path) : path_(path), out_(path, std::ios::binary | std::ios::trunc) {}

  void append(std::string_view request) {
    const auto length = static_cast<std::uint32_t>(request.size());
    out_.write(reinterpret_cast<const char*>(&length), sizeof length);
    out_.write(request.data(), static_cast<std::streamsize>(request.size()));
  }
  // Throws when any of it could not be written.
  void close() {
    out_.close();
    if (!out_) throw std::runtime_error("can't write " + path_);
  }

 private:
  std::string path_;
  std::ofstream out_;
};

// The whole file in memory. Read-only, so that threads may share it.
class RequestFile {
 public:
  explicit RequestFile(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    if (!in.is_open()) throw std::runtime_error("can't read " + path);
    for (std::size_t at = 0; at < bytes_.size();) {
      std::uint32_t length = 0;
      if (bytes_.size() - at < sizeof length) throw std::runtime_error(path + " ends within a length");
      bytes_.copy(reinterpret_cast<char*>(&length), sizeof length, at);
      at += sizeof length;
      if (length == 0 || bytes_.size() - at < length) throw std::runtime_error(path + " ends within a request");
      requests_.push_back(std::string_view(bytes_).substr(at, length));
      at += length;
    }
    if (requests_.empty()) throw std::runtime_error(path + " holds no request");
  }
  RequestFile(const RequestFile&) = delete;
  RequestFile& operator=(const RequestFile&) = delete;

  std::size_t size() const noexcept { return requests_.size(); }
  std::string_view operator[](std::size_t index) const noexcept { return requests_[index]; }

 private:
  std::string bytes_;
  std::vector<std::string_view> requests_;
};

}  // namespace lictor::bench
