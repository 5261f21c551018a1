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

/// The name of the command among the words, whatever is wrong with the others; empty if they name
/// none.
std::string named_command(const std::vector<std::string>& arguments);

/// Throws UsageError, naming the nearest right word.
Parsed parse(const std::vector<std::string>& arguments);

} // namespace command
