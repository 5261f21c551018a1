#pragma once

#include "command.hpp"

#include <string>

namespace command
{

std::string help_of_all();
std::string help_of(const Command& command);
/// Manual pages in roff, section 1; of the whole if `command` is null.
std::string manual_of(const Command* command, const std::string& version);

} // namespace command
