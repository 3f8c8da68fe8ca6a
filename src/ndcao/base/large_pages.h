// Memory in pages of 2 MiB.
#pragma once

#include <cstddef>
#include <span>

namespace ndcao {

/// Has the whole pages of 2 MiB in `memory` lie in such, where the system has them: who reads here
/// and there in a large array then waits less for addresses to be translated. Contents stay.
void UseLargePages(std::span<const std::byte> memory);

}  // namespace ndcao
