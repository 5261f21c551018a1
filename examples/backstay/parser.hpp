#pragma once

#include "invocation.hpp"

#include <string>
#include <vector>

namespace command
{

/// What a command line asks for: a subcommand, or its help.
struct Parsed {
    Invocation::Given given;
    bool help = false; ///< of given.command, or of the whole if that is null
};

/// Throws UsageError, naming the nearest right word.
Parsed parse(const std::vector<std::string>& arguments);

} // namespace command
