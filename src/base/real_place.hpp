#pragma once

#include <optional>
#include <string>

namespace backstay::core
{

/// A path as two can be compared: absolute, without symlinks as far as it is there, without '/' at
/// its beginning and end. None where that cannot be told.
std::optional<std::string> real_place(const std::string& path);

} // namespace backstay::core
