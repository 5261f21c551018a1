#pragma once

#include "target/target.hpp"

#include <memory>

namespace backstay::core
{

/// Writes one stream of a snapshot to a descriptor (a pipe, a file), in order. The view's root, or
/// its only entry with content, is the stream. The descriptor is borrowed. Damage ends it: bytes
/// that were written cannot be taken back.
std::unique_ptr<Target> make_stream_target(int descriptor);

} // namespace backstay::core
