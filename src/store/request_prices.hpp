#pragma once

#include "store/object_store.hpp"

#include <cstdint>
#include <string_view>

namespace backstay::core
{

/// What requests cost, in any currency. The values are Amazon S3's list prices in dollars, for its
/// first regions and the standard class; storage is not in it.
struct RequestPrices {
    double million_writes = 5.0;
    double million_reads = 0.4;
    double gigabyte_received = 0.09; ///< 10^9 bytes, out of the cloud
};

/// "WRITES,READS,GIGABYTE". Throws Error{invalid} if it is not three numbers, none below zero.
RequestPrices parse_request_prices(std::string_view text);

/// In millionths of the currency.
std::uint64_t estimate_cost(const StoreTraffic& traffic, const RequestPrices& prices);

} // namespace backstay::core
