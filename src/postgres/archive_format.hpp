#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace backstay::core
{

// What pg_dump's custom format is made of: its src/bin/pg_dump/pg_backup_custom.c.

inline constexpr std::uint8_t postgres_block_data = 1;
inline constexpr std::uint8_t postgres_block_objects = 3;

/// What pg_dump writes behind the rows of each table, as if it were one more row.
inline constexpr std::string_view postgres_rows_end = "\\.\n\n\n";

/// A sign and four bytes, the least significant first.
inline constexpr std::size_t postgres_integer_size = 5;

/// Empty if `bytes` (exactly one number) are not as pg_dump writes them.
std::optional<std::int64_t> decode_postgres_integer(ByteSpan bytes);
void append_postgres_integer(Bytes& to, std::int64_t value);

} // namespace backstay::core
