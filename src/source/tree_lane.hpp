#pragma once

#include "source/folder_reader.hpp"
#include "source/tree_entries.hpp"
#include "source/tree_item.hpp"
#include "source/tree_walk.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace backstay::core
{

/// One lane of a tree source: folders from the walk's queue, their entries in the order they are
/// read. One thread at a time.
class TreeLane
{
public:
    /// `walk` must outlive it.
    explicit TreeLane(TreeWalk& walk) : walk_(walk), entries_(walk) {}

    /// Makes this lane give the roots and the folders above them, before anything else.
    void seed();

    /// As DataSource has them, of this lane.
    std::optional<SourceEntry> next();
    void complete(std::uint64_t number, Entry& entry);
    std::size_t read(std::uint64_t number, std::uint64_t offset, MutableByteSpan buffer);
    std::optional<SnapshotStream::Extent> next_data(std::uint64_t number, std::uint64_t offset);
    DataSource::Outcome outcome(std::uint64_t number, Entry& now);
    void release(std::uint64_t number) { items_.erase(number); }

private:
    std::optional<SourceEntry> next_of_folder();
    bool open_next_folder();
    int open_as_seen();
    std::optional<SourceEntry> give_seed(const std::string& path);
    bool walk_seed(const TreeItem& item, bool is_root);
    std::optional<SourceEntry> give_found(const std::string& name, const std::string& path);
    std::optional<SourceEntry> give(TreeItem item, const std::string& name,
                                    const std::string& place);
    bool look_at(int folder, const std::string& name, const std::string& path,
                 FileStatus& status) const;
    bool stays(const FileStatus& status, std::uint64_t device) const;
    bool descend(const TreeItem& item, std::uint64_t device);

    TreeWalk& walk_;
    TreeEntries entries_;
    TreeFiles files_;
    std::deque<std::string> seeds_;
    FolderQueue::Folder folder_;
    OpenFolder open_folder_;
    FolderReader reader_;
    bool holds_seeds_ = false;
    std::map<std::string, std::uint64_t> walked_seeds_; ///< with their roots' devices
    std::map<std::uint64_t, TreeItem> items_;
    std::uint64_t last_item_ = 0;
};

} // namespace backstay::core
