#pragma once

#include "target/tree_removal.hpp"

#include <atomic>
#include <string>
#include <string_view>

namespace backstay::core
{

inline constexpr std::string_view temporary_prefix = ".backstay-restore-";

/// Names of one restore for what is not yet in its place. Thread-safe.
class TemporaryNames
{
public:
    TemporaryNames();
    std::string next();
    /// Whether next() gave it.
    bool is_ours(std::string_view name) const;

private:
    const std::string prefix_; ///< random, so that restores do not meet
    std::atomic<std::uint64_t> count_ = 0;
};

/// How what is in the way is treated.
struct PlacementRules {
    bool replace = true;        ///< false: what came there meanwhile stays
    bool remove_filled = false; ///< a folder in the way goes even if there is something in it
    Spare spare = {};           ///< what in such a folder stays, and the folder with it
};

/// Renames `temporary` to `name` in the same folder, over what is there: never through a symlink;
/// an empty folder makes room. `path` names it in errors. Throws Error (exists: a folder that
/// stays, or something came there meanwhile).
void put_in_place(int folder, const std::string& temporary, const std::string& name,
                  const std::string& path, const PlacementRules& rules);

/// Removes the file, symlink or device `name`, immutable ones too. Throws Error{denied, target}.
void remove_in_the_way(int folder, const std::string& name, const std::string& path);

/// Takes an immutable or append-only flag away from a file or folder; the flags there were.
std::uint64_t unlock_child(int folder, const std::string& name);

} // namespace backstay::core
