#include <random>

#include "bench/clients/clients.h"

namespace seqwal::bench {

std::vector<std::byte> make_body(std::uint64_t bytes, std::uint64_t client) {
  std::mt19937_64 random(client + 1);
  std::vector<std::byte> body(bytes);
  for (std::byte& byte : body) byte = static_cast<std::byte>(random());
  return body;
}

}  // namespace seqwal::bench
