#pragma once

#include "target/directory_target.hpp"
#include "target/folder_log.hpp"
#include "target/folder_stack.hpp"
#include "target/target_file.hpp"
#include "target/tree_comparison.hpp"
#include "target/written_file_systems.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace backstay::core
{

/// What ends the restore, on its way out through every guard.
class RestoreEnd : public Error
{
public:
    using Error::Error;
};

/// `error` ends the restore of all entries: nothing can be written any more, or nothing is to be.
bool ends_restore(const Error& error);
/// Throws RestoreEnd, with what to do.
[[noreturn]] void end_restore(const Error& error, const std::string& root);

inline bool is_file(EntryKind kind)
{
    return kind == EntryKind::file || kind == EntryKind::image;
}

inline Timestamp modified_of(const struct stat& status)
{
    return {status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec)};
}

bool is_device(EntryKind kind);
/// 0 where it is no device.
dev_t device_of(const Entry& entry);
/// Holds what must not be opened. Throws Error.
FileDescriptor open_by_path(int folder, const std::string& name, const std::string& path);

/// How a DirectoryTarget does its work; its parts are in directory_target_*.cpp.
struct DirectoryTarget::State {
    State(DirectoryTargetOptions options, TargetEvents events);

    Begun begin(const Entry& entry);
    void keep(const std::shared_ptr<File>& file);
    void finish(const std::shared_ptr<File>& file, Wholeness wholeness);
    void finish_folders(const std::stop_token& stop);
    void abandon() noexcept;
    void leave_alone(const std::string& path);
    std::uint64_t write(File& file, std::uint64_t offset, ByteSpan bytes);

    /// What is to be done where an entry belongs.
    struct Finding {
        enum class Way { make, replace, leave } way = Way::make;
        std::optional<struct stat> there;
    };

    // Telling.
    void problem(ErrorCode code, const std::string& path, const std::string& message);
    void tell(PlanStep::Kind kind, const char* action, const std::string& path,
              std::uint64_t bytes = 0, std::string message = {});
    void conflict(const std::string& path, const std::string& why);
    void progress(std::uint64_t entries, std::uint64_t written, std::uint64_t reused);
    template <typename Body>
    bool guarded(const std::string& path, Body body);

    // Deciding.
    Finding look(const Entry& entry, const TargetPlace& place);
    Finding look_at_folder(const Entry& entry, const TargetPlace& place, const struct stat& there);
    static bool leads_to_what_was_saved(const Entry& entry, const TargetPlace& place,
                                        const struct stat& there);
    bool has_same_content(const Entry& entry, const struct stat& there) const;
    bool is_empty_folder(const TargetPlace& place);
    void plan_entry(const Entry& entry, const TargetPlace& place);
    const char* planned_update(const Entry& entry, const TargetPlace& place);

    // Walking.
    bool enter_parent(const Entry& entry);
    void make_parents(std::string_view path);
    void make_parent(const std::string& path, const std::string& name);
    void leave_level(const FolderStack::Level& level);
    void refuse_below(const std::string& path) { refused_ = path; }
    bool is_refused(std::string_view path) const;

    // Folders.
    void begin_root(const Entry& entry);
    void begin_folder(const Entry& entry, const TargetPlace& place);
    void make_folder(const Entry& entry, const TargetPlace& place);
    void take_folder(const Entry& entry, std::shared_ptr<Folder> folder, bool names_kept);
    void finish_folder(const WaitingFolder& folder);
    void put_folder_back(const WaitingFolder& folder);

    // Everything else.
    Begun begin_file(const Entry& entry, const TargetPlace& place);
    void begin_node(const Entry& entry, const TargetPlace& place);
    int make_node(const Entry& entry, int folder, const std::string& name);
    void make_node_at(const Entry& entry, const TargetPlace& place, bool replace);
    bool update_node(const Entry& entry, const TargetPlace& place, const struct stat& there);

    // Files.
    std::shared_ptr<File> new_file(const TargetPlace& place, Attributes wanted, std::uint64_t size,
                                   std::optional<LinkIdentity> link, const Finding& finding);
    void finish_file(File& file);
    void copy_into(File& file, int source);
    void forget(File& file);
    void discard(File& file);
    void lock_later(const TargetPlace& place, std::uint64_t locks);

    // Hard links.
    void first_is_made(const std::optional<LinkIdentity>& link, const TargetPlace& place);
    void first_failed(const std::optional<LinkIdentity>& link);
    void make_link(const TargetPlace& first, const LinkWish& wish);
    int link_at(const TargetPlace& first, const TargetPlace& place, const std::string& name);
    void copy_instead(const TargetPlace& first, const LinkWish& wish, const Finding& finding);
    void make_deferred_links(const std::stop_token& stop);

    // The end.
    void remove_extras(const std::stop_token& stop);
    Spare spare();
    bool is_spared(int folder, const std::string& name, const std::string& path);
    void set_locks();
    void tell_space();

    const DirectoryTargetOptions options_;
    const TargetEvents events_;
    FileDescriptor root_; ///< empty: a dry run, and it is not there
    Shortfalls shortfalls_;
    AttributeSetter setter_;
    TemporaryNames names_;
    DescriptorCache folder_descriptors_;
    DescriptorCache file_descriptors_;
    TargetFileContext file_context_;
    TreeComparison comparison_;
    LinkGroups links_;

    // Of the thread that calls begin().
    FolderStack stack_;
    FolderLog folders_;
    WrittenFileSystems file_systems_;
    std::optional<std::string> refused_; ///< nothing can be made below this
    std::deque<Entry> deferred_links_;
    std::uint64_t planned_bytes_ = 0;

    std::vector<TargetPlace> extras_;
    const char* keeps_extras_ = nullptr; ///< why nothing is removed
    std::string last_path_;

    struct Lock {
        TargetPlace place;
        std::uint64_t flags;
    };
    std::mutex mutex_;
    std::unordered_map<File*, std::shared_ptr<File>> unfinished_; // guarded by mutex_
    std::vector<Lock> locks_;                                     // guarded by mutex_
    std::atomic<bool> ended_ = false;                             ///< nothing is made any more
};

/// Runs `body`; what fails for one entry becomes a problem (and false), what ends the restore goes
/// on.
template <typename Body>
bool DirectoryTarget::State::guarded(const std::string& path, Body body)
{
    try {
        body();
        return true;
    } catch (const RestoreEnd&) {
        throw;
    } catch (const Error& error) {
        if (ends_restore(error)) {
            end_restore(error, options_.path);
        }
        problem(error.code(), path, error.what());
        return false;
    }
}

} // namespace backstay::core
