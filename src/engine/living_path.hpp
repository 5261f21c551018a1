#pragma once

#include <string>
#include <string_view>

namespace backstay::core
{

/// An entry's path in a source of that kind as whoever lives with the source knows it, for
/// messages: absolute where it is a file of this machine.
std::string living_path(std::string_view source_kind, const std::string& path);

} // namespace backstay::core
