#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// "512", "64K", "64KiB", "1.5G", "1GiB", "10MB": always powers of 1024. Empty if it is no size or
/// too large.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// "0 B", "1.50 GiB": three significant digits.
std::string format_size(std::uint64_t bytes);

} // namespace backstay::core
