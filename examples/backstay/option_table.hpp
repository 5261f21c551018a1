#pragma once

#include "command.hpp"

#include <string>
#include <vector>

namespace command
{

/// An option as the command line has it, from the library's table or the command's own.
struct OptionRow {
    std::string key;
    std::string scope; ///< empty: the command's own
    std::string kind;  ///< the library's: "flag", "size" …; own: "flag" or "text"
    std::string placeholder;
    std::string standard;
    std::string help;
    std::vector<std::string> choices;
    bool repeatable = false;
    bool optional_value = false;
    char letter = '\0';
    bool is_flag() const { return kind == "flag"; }
};

std::vector<OptionRow> options_of(const Command& command);
/// Those that stand before or behind every subcommand.
const std::vector<OptionRow>& global_options();
/// The command's own first, which hide general ones of the same key.
std::vector<OptionRow> all_options_of(const Command& command);
/// Whether a command gives an option of a scope another way.
bool leaves_out(const Command& command, const std::string& scope, const std::string& key);

/// The value of an option that takes one, as a flag of help: "--to DIR".
std::string spelled(const OptionRow& row);

} // namespace command
