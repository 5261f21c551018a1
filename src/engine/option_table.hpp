#pragma once

#include "engine/options.hpp"

#include <span>

namespace backstay::core
{

struct OptionScope {
    const char* name; ///< "source.tree"
    const char* help;
    std::span<const OptionSpec> specs;
};

/// Every option of the library, by scope.
std::span<const OptionScope> option_table();

} // namespace backstay::core
