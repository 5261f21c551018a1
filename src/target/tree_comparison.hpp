#pragma once

#include "target/attributes.hpp"
#include "target/target.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace backstay::core
{

/// Compares what lies below a root with what the snapshot says, entry by entry. Thread-safe.
class TreeComparison
{
public:
    using SameBytes = std::function<bool(const Entry&, int descriptor)>;

    /// `root` is borrowed, `setter` too.
    TreeComparison(int root, AttributeSetter& setter) : root_(root), setter_(setter) {}

    /// In words what differs; empty: nothing. Throws Error where it cannot be looked at.
    std::vector<std::string> differences(const Entry& entry, const SameBytes& same_bytes);

private:
    struct Inside {
        std::uint64_t device;
        std::uint64_t inode;
        bool operator==(const Inside&) const = default;
    };
    void compare_links(const Entry& entry, const struct stat& status,
                       std::vector<std::string>& words);

    const int root_;
    AttributeSetter& setter_;
    std::mutex mutex_;
    std::map<LinkIdentity, Inside> first_names_; // guarded by mutex_
};

/// Whether a file of this mode is what the kind says.
bool is_of_kind(EntryKind kind, mode_t mode);

/// The target of the symlink `name`; empty if it is none.
std::optional<std::string> read_symlink(int folder, const std::string& name);

} // namespace backstay::core
