#pragma once

#include "base/bytes.hpp"
#include "base/record.hpp"

namespace backstay::capi
{

/// A record as bytes for this process alone, and back.
core::Bytes record_to_bytes(const core::Record& record);
core::Record record_from_bytes(core::ByteSpan bytes);

} // namespace backstay::capi
