#pragma once

#include "base/bytes.hpp"

namespace backstay::core
{

/// Fills `out` from the kernel's generator (getrandom); throws Error{internal} if it fails.
void fill_random(MutableByteSpan out);

template <typename IdType>
IdType random_id()
{
    IdType id;
    fill_random(id.bytes);
    return id;
}

} // namespace backstay::core
