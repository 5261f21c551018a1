#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <optional>

namespace backstay::core
{

/// What `decode` makes of `bytes`; empty if it refuses them as damaged or unsupported. Anything
/// else it throws goes through.
template <typename Decode>
auto decoded_or_refused(const Bytes& bytes, Decode decode)
    -> std::optional<decltype(decode(ByteSpan(bytes)))>
{
    try {
        return decode(ByteSpan(bytes));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged && error.code() != ErrorCode::unsupported) {
            throw;
        }
        return std::nullopt;
    }
}

template <typename Decode>
bool is_refused(const Bytes& bytes, Decode decode)
{
    return !decoded_or_refused(bytes, decode);
}

/// True if `decode` refuses everything that is shorter than `whole`. Each is a buffer of its own,
/// so that a sanitizer sees every byte read behind it.
template <typename Decode>
bool refuses_every_truncation(const Bytes& whole, Decode decode)
{
    for (std::size_t size = 0; size < whole.size(); ++size) {
        if (!is_refused(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)),
                        decode)) {
            MESSAGE("accepted when cut to ", size, " of ", whole.size(), " bytes");
            return false;
        }
    }
    return true;
}

/// True if, whatever byte of `whole` is changed, `decode` refuses it or gives a value that has
/// these bytes as its only form.
template <typename Decode, typename Encode>
bool withstands_every_changed_byte(const Bytes& whole, Decode decode, Encode encode)
{
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const int mask : {0x01, 0x02, 0x40, 0x80, 0xff}) {
            Bytes changed = whole;
            changed[at] = static_cast<std::uint8_t>(changed[at] ^ mask);
            const auto value = decoded_or_refused(changed, decode);
            if (value && encode(*value) != changed) {
                MESSAGE("byte ", at, " of ", whole.size(), " changed by ", mask,
                        " decodes to what encodes otherwise");
                return false;
            }
        }
    }
    return true;
}

/// `count` times the same byte, in hexadecimal.
inline std::string repeated_hex(std::uint8_t byte, std::size_t count)
{
    return to_hex(Bytes(count, byte));
}

/// An id of 32 times the same byte.
template <typename IdType>
IdType id_of(std::uint8_t byte)
{
    return IdType::from(Bytes(32, byte));
}

} // namespace backstay::core
