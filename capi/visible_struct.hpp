#pragma once

#include "base/error.hpp"

#include <algorithm>
#include <cstring>

namespace backstay::capi
{

/// A caller's struct that begins with its size: shorter reads as zeros, longer must have a zero
/// tail (else E_UNSUPPORTED).
template <typename Struct>
Struct read_struct(const Struct* theirs, const char* name)
{
    if (theirs == nullptr || theirs->struct_size < sizeof(uint32_t)) {
        throw core::Error(core::ErrorCode::invalid,
                          std::string(name) + " is NULL or its struct_size is not set", name);
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(theirs);
    if (!std::all_of(bytes + std::min<std::size_t>(sizeof(Struct), theirs->struct_size),
                     bytes + theirs->struct_size, [](unsigned char byte) { return byte == 0; })) {
        throw core::Error(core::ErrorCode::unsupported,
                          std::string(name) +
                              " uses members that this version of the library does not know",
                          name);
    }
    Struct ours{};
    std::memcpy(&ours, theirs, std::min<std::size_t>(sizeof(Struct), theirs->struct_size));
    ours.struct_size = sizeof(Struct);
    return ours;
}

/// Never writes more than the caller's size, which stays.
template <typename Struct>
void write_struct(Struct* theirs, Struct ours)
{
    ours.struct_size = theirs->struct_size;
    std::memcpy(theirs, &ours, std::min<std::size_t>(sizeof(Struct), theirs->struct_size));
}

/// Whether the caller may be written to.
template <typename Struct>
bool is_writable(const Struct* theirs)
{
    return theirs != nullptr && theirs->struct_size >= sizeof(uint32_t);
}

} // namespace backstay::capi
