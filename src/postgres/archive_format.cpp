#include "postgres/archive_format.hpp"

namespace backstay::core
{

std::optional<std::int64_t> decode_postgres_integer(ByteSpan bytes)
{
    std::int64_t value = 0;
    for (std::size_t i = 1; i < postgres_integer_size; ++i) {
        value |= static_cast<std::int64_t>(bytes[i]) << (8 * (i - 1));
    }
    const bool negative = bytes[0] == 1;
    if (bytes[0] > 1 || (negative && value == 0)) {
        return std::nullopt;
    }
    return negative ? -value : value;
}

void append_postgres_integer(Bytes& to, std::int64_t value)
{
    auto magnitude = static_cast<std::uint64_t>(value < 0 ? -value : value);
    to.push_back(value < 0 ? 1 : 0);
    for (std::size_t i = 1; i < postgres_integer_size; ++i) {
        to.push_back(static_cast<std::uint8_t>(magnitude));
        magnitude >>= 8;
    }
}

} // namespace backstay::core
