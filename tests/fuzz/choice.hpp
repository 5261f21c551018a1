#pragma once

#include "base/bytes.hpp"

#include <initializer_list>

namespace backstay::core
{

/// Reads bytes in one of a target's ways.
using FuzzReader = void (*)(ByteSpan bytes);

/// An input whose first byte says which of the readers gets the rest. Always 0, as libFuzzer wants
/// it.
inline int read_by_choice(const std::uint8_t* data, std::size_t size,
                          std::initializer_list<FuzzReader> readers)
{
    if (size > 0 && data[0] < readers.size()) {
        readers.begin()[data[0]](ByteSpan(data + 1, size - 1));
    }
    return 0;
}

} // namespace backstay::core
