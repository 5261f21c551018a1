#pragma once

#include "engine/restore_walk.hpp"
#include "source/tree_filter.hpp"
#include "store/object_store.hpp"

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace backstay::core
{

/// What a restore into a folder must not touch or remove: the repository that it reads, and what
/// the backup left out or could not save, which nobody can give back. Thread-safe.
class RestoreGuard
{
public:
    /// `root`: the folder to restore into. Throws Error{invalid} if it lies in the repository.
    /// `access` must outlive it.
    RestoreGuard(const StoreDescription& store, SnapshotAccess& access,
                 const std::vector<RestorePart>& parts, std::string root, unsigned strip_components,
                 const std::stop_token& stop);

    /// Whether `path`, below the root, is the repository's folder or in it.
    bool is_in_repository(const std::string& path) const;
    /// The backup left out what is in the folder at `path`, below the root: it stays, whatever is
    /// there now.
    void spare_contents(const std::string& path);
    /// For DirectoryTargetOptions::why_spared. Reads the snapshot's list of problems the first
    /// time: only who removes needs it.
    std::string why_spared(int folder, const std::string& name, const std::string& path) const;

private:
    /// Of a source that is a tree.
    struct Part {
        std::string prefix; ///< names before each path below the root
        std::string base;   ///< what lies at `prefix`, in its source
        std::vector<std::string> roots;
        TreeSourceOptions choice;
        TreeFilter filter;
    };

    void find_repository(const StoreDescription& store);
    void add_part(const SnapshotSource& source, const RestorePart& part, const std::string& base);
    void note_unsaved() const;
    bool spares_contents(const std::string& path) const;
    bool was_not_saved(const std::string& path) const;
    const Part* part_of(const std::string& path) const;
    std::string in_source(const Part& part, const std::string& path) const;
    bool on_other_file_system(const Part& part, int folder, const std::string& path) const;

    mutable std::mutex mutex_;
    std::set<std::string> left_out_; ///< folders below the root; guarded by mutex_
    std::string root_;
    unsigned strip_components_;
    std::optional<std::string> repository_; ///< below the root; empty: not there
    std::vector<Part> parts_;
    SnapshotAccess& access_;
    std::vector<RestorePart> wanted_;
    std::stop_token stop_;
    mutable std::once_flag unsaved_noted_;  ///< behind it the two below do not change
    mutable std::set<std::string> unsaved_; ///< below the root
    mutable bool all_unsaved_known_ = true;
};

} // namespace backstay::core
