#include "engine/sample.hpp"

#include <algorithm>
#include <cmath>

namespace backstay::core
{

std::vector<std::size_t> sample(std::size_t count, double percent, std::uint64_t turn)
{
    const auto wanted =
        static_cast<std::size_t>(std::ceil(static_cast<double>(count) * percent / 100));
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < std::min(wanted, count); ++i) {
        chosen.push_back((i * count / std::max<std::size_t>(wanted, 1) + turn) % count);
    }
    return chosen;
}

} // namespace backstay::core
