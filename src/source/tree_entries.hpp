#pragma once

#include "source/data_source.hpp"
#include "source/tree_item.hpp"
#include "source/tree_walk.hpp"

#include <string>

namespace backstay::core
{

/// Turns what lies in a tree into entries. One thread at a time.
class TreeEntries
{
public:
    /// `walk` must outlive it.
    explicit TreeEntries(TreeWalk& walk) : walk_(walk) {}

    /// `place`: a path to the item that ends in `name`. A folder is open where it may be. Empty: a
    /// problem was told.
    std::optional<SourceEntry> make(const TreeItem& item, const std::string& name,
                                    const std::string& place);

    /// What `item`, open, is now.
    void fill(const TreeItem& item, Entry& entry);
    /// What only an open file tells: extended attributes and flags.
    void complete(const TreeItem& item, Entry& entry) const;

private:
    void name_owners(const FileStatus& status, Entry& entry);
    void tell_lost_xattrs(int error, const std::string& path, Entry& entry) const;
    bool read_target(const TreeItem& item, const std::string& name, Entry& entry) const;
    Bytes token_of(const FileStatus& status, const std::string& path) const;
    std::optional<Entry> look_up_in_parent(const std::string& path) const;

    TreeWalk& walk_;
};

} // namespace backstay::core
