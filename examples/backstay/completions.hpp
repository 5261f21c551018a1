#pragma once

#include <string>

namespace command
{

/// A script that makes a shell ("bash", "zsh", "fish") complete commands, options and the words
/// that options choose from. Throws UsageError for any other.
std::string completions_for(const std::string& shell);

} // namespace command
