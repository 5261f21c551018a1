#include "store/request_prices.hpp"

#include "base/error.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace backstay::core
{

RequestPrices parse_request_prices(std::string_view text)
{
    std::array<double, 3> values{};
    const char* at = text.data();
    const char* const end = at + text.size();
    bool good = true;
    for (std::size_t i = 0; i < values.size() && good; ++i) {
        const auto [stop, failed] = std::from_chars(at, end, values[i]);
        const bool last = i + 1 == values.size();
        good = failed == std::errc() && std::isfinite(values[i]) && values[i] >= 0 &&
               (last ? stop == end : stop != end && *stop == ',');
        at = last ? stop : stop + 1;
    }
    if (!good) {
        throw Error(ErrorCode::invalid,
                    "prices are three numbers: of a million writes, of a million reads, of a "
                    "gigabyte received, such as 5,0.4,0.09",
                    std::string(text));
    }
    return {values[0], values[1], values[2]};
}

std::uint64_t estimate_cost(const StoreTraffic& traffic, const RequestPrices& prices)
{
    constexpr double gigabyte = 1e9;
    constexpr double millionths = 1e6;
    // A price for a million is one in millionths for each.
    const double cost = static_cast<double>(traffic.writes) * prices.million_writes +
                        static_cast<double>(traffic.reads) * prices.million_reads +
                        static_cast<double>(traffic.bytes_received) / gigabyte *
                            prices.gigabyte_received * millionths;
    return static_cast<std::uint64_t>(std::llround(cost));
}

} // namespace backstay::core
