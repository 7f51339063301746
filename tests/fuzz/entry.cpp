// libFuzzer's entry to one target (https://llvm.org/docs/LibFuzzer.html). With --seeds DIRECTORY the program writes the
// target's seeds and its dictionary there instead and ends.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/encoding.h"
#include "fuzz/target.h"

namespace {

const lictor::fuzz::Target& target() {
  static const lictor::fuzz::Target& chosen = lictor::fuzz::target_of(LICTOR_FUZZ_TARGET);
  return chosen;
}

void write_seeds(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory / "seeds");
  std::size_t number = 0;
  for (const std::string& seed : target().seeds())
    std::ofstream(directory / "seeds" / std::to_string(number++), std::ios::binary) << seed;
  std::ofstream words(directory / "words");
  for (const std::string_view word : target().dictionary()) {
    words << '"';
    for (const char c : word) {
      const auto byte = static_cast<std::uint8_t>(c);
      if (byte < 0x20 || byte >= 0x7F || c == '"' || c == '\\')
        words << "\\x" << lictor::base::to_hex({&byte, 1});
      else
        words << c;
    }
    words << "\"\n";
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc == 3 && std::string_view((*argv)[1]) == "--seeds") {
    write_seeds((*argv)[2]);
    std::_Exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    target().run({reinterpret_cast<const char*>(data), size});
  } catch (const lictor::fuzz::Violation& violation) {
    std::fprintf(stderr, "VIOLATION: %s\n", violation.what());
    std::abort();
  }
  return 0;
}
