#pragma once

#include "base/owner_numbers.hpp"
#include "format/entry.hpp"
#include "target/inode.hpp"
#include "target/shortfalls.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// What an entry is to look like here: names of owners turned into numbers, flags cut to those that
/// can be set.
struct Attributes {
    EntryKind kind = EntryKind::file;
    std::optional<std::uint32_t> mode;
    std::optional<std::uint32_t> user_id;
    std::optional<std::uint32_t> group_id;
    std::optional<Timestamp> modified;
    std::optional<std::uint64_t> file_flags;
    std::vector<Xattr> xattrs; ///< sorted by name
};

/// Sets attributes, in the order in which none undoes another: owner, mode (which a change of owner
/// would cut), xattrs and ACLs, flags, times. Only what differs is touched. What cannot be done is
/// counted in the shortfalls. Thread-safe.
class AttributeSetter
{
public:
    struct Policy {
        bool owners = true;
        bool numeric_owners = false;
    };
    /// `shortfalls` must outlive the setter.
    AttributeSetter(Policy policy, Shortfalls& shortfalls);

    Attributes wanted(const Entry& entry);

    /// The mode to create a file with, so that nobody reads it who may not in the end, and we can
    /// write it.
    std::uint32_t creation_mode(const Attributes& wanted) const;
    /// Flags that only an empty file takes (no copy on write, compression).
    static std::uint64_t early_flags(const Attributes& wanted);

    /// Whether the folder has ACLs or flags that go over to what is made in it.
    static bool passes_on(const Inode& folder);

    /// What the inode is like before: newly made with nothing inherited, or anything.
    enum class Before { bare, unknown };

    /// Returns the flags that forbid further change (immutable, append only) and are to be set once
    /// the file has all of its names; 0 if there are none. If the inode has them already, they are
    /// taken away where something is to be changed.
    std::uint64_t apply(const Inode& inode, const Attributes& wanted, Before before,
                        const std::string& path);

    /// What apply() would change, in words ("mode is 0644, not 0600"); empty: nothing.
    std::vector<std::string> differences(const Inode& inode, const Attributes& wanted);

    /// Takes the flags away that forbid removing or renaming; returns those there were.
    static std::uint64_t unlock(const Inode& inode);
    /// Sets them (again), beside what is set.
    void lock(const Inode& inode, std::uint64_t flags, const std::string& path);

private:
    struct Changes;
    void compare(Changes& changes, const Inode& inode, const Attributes& wanted, Before before,
                 const std::string* told_path);
    void compare_owner(Changes& changes, const struct stat& status, const Attributes& wanted,
                       const std::string* told_path);
    void compare_mode(Changes& changes, const struct stat& status, const Attributes& wanted,
                      const std::string* told_path);
    void compare_xattrs(Changes& changes, const Inode& inode, const Attributes& wanted,
                        Before before, const std::string* told_path);
    void compare_flags(Changes& changes, const Inode& inode, const Attributes& wanted,
                       Before before, const std::string* told_path);
    bool may_set_xattr(const std::string& name) const;
    void make(const Changes& changes, const Inode& inode, const Attributes& wanted,
              const std::string& path);
    void set_flags(const Inode& inode, std::uint64_t flags, const std::string& path);
    void tell(const std::string* path, const std::string& what, int system_error);

    const Policy policy_;
    Shortfalls& shortfalls_;
    OwnerNumbers numbers_;
    const std::uint64_t capabilities_;
    const std::uint32_t user_;
    const std::uint32_t group_;
    std::vector<std::uint32_t> groups_; ///< sorted
};

} // namespace backstay::core
