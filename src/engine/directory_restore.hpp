#pragma once

#include "engine/existing_bytes.hpp"
#include "engine/restore.hpp"
#include "engine/restore_guard.hpp"
#include "engine/restore_plan.hpp"
#include "engine/restore_walk.hpp"
#include "engine/snapshot_access.hpp"
#include "engine/window_reader.hpp"

#include <vector>

namespace backstay::core
{

/// A restore into a folder, from walk to finish: entries are begun as they come, the chunks of
/// their files planned in windows, the windows carried out one after another. One thread at a time.
class DirectoryRestore
{
public:
    /// All references must outlive it.
    DirectoryRestore(Repository& repository, SnapshotAccess& access, RestoreGuard& guard,
                     DirectoryTargetOptions target, TargetEvents events,
                     const RestoreOptions& options, const EngineLimits& limits,
                     JobContext& context);

    void run(const std::vector<RestorePart>& parts);

private:
    void place(const Entry& entry);
    void note_left_out(const Entry& folder);
    bool leave_repository(const std::string& path);
    bool keep_existing(const Entry& entry, const DirectoryTarget::Begun& begun);
    void plan_file(const Entry& entry, const DirectoryTarget::Begun& begun);
    void plan_item(std::uint32_t file, DirectoryTarget::File& target, std::uint64_t there,
                   ExistingBytes& existing, std::uint64_t offset, const ContentItem& item);
    std::uint32_t continue_in_next_window(const DirectoryTarget::Begun& begun, const Entry& entry);
    void run_window();
    void finish(PlannedFile& file);
    void verify(const Entry& entry);
    void damaged(const std::string& path, const std::string& why);
    ExistingBytes existing_bytes(const DirectoryTarget::Begun& begun);

    Repository& repository_;
    SnapshotAccess& access_;
    RestoreGuard& guard_;
    const RestoreOptions& options_;
    JobContext& context_;
    TargetEvents events_;
    DirectoryTarget target_;
    RestoreWalk walk_;
    RestoreWindow window_;
    WindowReader reader_;
    bool left_repository_ = false;
    bool carried_damage_ = false; ///< of a file that goes on in the next window
};

} // namespace backstay::core
