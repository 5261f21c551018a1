#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace backstay::core
{

/// Which of `count` things to look at for a percentage: evenly spread from a point that moves with
/// time, so that repeated checks see all.
std::vector<std::size_t> sample(std::size_t count, double percent, std::uint64_t turn);

} // namespace backstay::core
