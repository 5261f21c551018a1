#pragma once

#include "source/data_source.hpp"

#include <memory>
#include <string>
#include <vector>

namespace backstay::core
{

/// One file named `name` whose bytes come from a descriptor (standard input), which is borrowed.
std::unique_ptr<DataSource> make_stream_source(int descriptor, std::string name);

struct CommandSourceOptions {
    std::string name;                   ///< of the file in the snapshot
    std::vector<std::string> arguments; ///< program and arguments; no shell
};

/// One file named `name`: what the command writes to its standard output. Started at open; a bad
/// exit status makes the verdict `failed`, with the end of what it wrote to standard error; killed
/// (TERM, then KILL) on cancel.
std::unique_ptr<DataSource> make_command_source(CommandSourceOptions options);

} // namespace backstay::core
