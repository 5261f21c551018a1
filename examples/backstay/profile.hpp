#pragma once

#include "invocation.hpp"

#include <string>
#include <vector>

namespace command
{

/// Where profiles are looked for, the most important last.
std::vector<std::string> profile_files();

/// Adds to `given` what the profile of its --profile says and the command line does not: keys of
/// [NAME] for every command, keys of [NAME.COMMAND] for that one. Does nothing without --profile.
/// Throws UsageError naming the file for a profile that there is not, a key that means nothing, or
/// what is no TOML.
void apply_profile(Invocation::Given& given);

} // namespace command
