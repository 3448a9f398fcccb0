// Runs a target on inputs that were kept, where there is no libFuzzer: any compiler, any build.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "fuzz/support/fuzzer.h"

namespace {

constexpr int kTooSlow = 1;
constexpr int kWrongUsage = 2;
constexpr double kMostSeconds = 1;

// Of the processor: how busy the machine is does not count.
double seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Everything under a directory, in an order that depends on the names alone.
std::vector<std::filesystem::path> inputs(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return {path};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) std::ranges::copy(inputs(argv[i]), std::back_inserter(files));
  if (files.empty()) {
    fmt::print(stderr, "usage: {} FILE|DIRECTORY...\nno input\n", argv[0]);
    return kWrongUsage;
  }
  double slowest = 0;
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
    if (!stream) {
      fmt::print(stderr, "cannot read: {}\n", file.string());
      return kWrongUsage;
    }
    // Before it runs: the last one printed is the one that crashed.
    fmt::print("running: {}\n", file.string());
    std::fflush(stdout);
    const double begin = seconds();
    static_cast<void>(
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
    const double took = seconds() - begin;
    slowest = std::max(slowest, took);
    if (took > kMostSeconds) {
      fmt::print(stderr, "took {:.1f} s, allowed is {} s: {}\n", took, kMostSeconds, file.string());
      return kTooSlow;
    }
  }
  fmt::print("{} inputs, the slowest took {:.3f} s\n", files.size(), slowest);
  return 0;
}
