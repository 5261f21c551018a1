#pragma once

#include "store/object_folder.hpp"

#include <stop_token>
#include <string>

namespace backstay::core
{

/// How a file that is written and synced gets its name, so that of several creators one wins.
/// `rename_only` cannot promise that.
enum class Publishing { link, rename_no_replace, rename_only };

enum class HardLinks { use, avoid };

struct FileName {
    int folder; ///< a descriptor
    std::string name;
};

/// Random: nobody else has it.
std::string temporary_name();

/// 0, or errno: EEXIST if the name is taken. The temporary name may be left, too.
int publish(Publishing way, const FileName& temporary, const FileName& name);

/// Tries on the folder `temporaries`, open in `root`, what is honoured there: a second create must
/// fail, and leave the first one's bytes. Leaves nothing behind. Throws Error if the trial itself
/// fails (no space, no right to write): that says nothing about the file system.
Publishing try_publishing(const ObjectFolder& root, int temporaries, HardLinks links,
                          const std::stop_token& stop);

} // namespace backstay::core
