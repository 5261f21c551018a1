#include "target/directory_target.hpp"

#include "base/worker_group.hpp"
#include "target/folder_log.hpp"
#include "target/folder_stack.hpp"
#include "target/target_file.hpp"
#include "target/tree_comparison.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <unordered_map>
#include <utility>

namespace backstay::core
{

namespace
{

/// Far beyond anything real; bounds what a hostile snapshot can make us hold.
constexpr std::size_t deepest_folder = 10'000;

constexpr std::size_t copy_buffer_size = 256 * KiB;

bool ends_restore(const Error& error)
{
    return error.code() == ErrorCode::no_space || error.code() == ErrorCode::cancelled ||
           error.code() == ErrorCode::no_memory || error.system_error() == EROFS;
}

/// What ends the restore, on its way out through every guard.
class RestoreEnd : public Error
{
public:
    using Error::Error;
};

[[noreturn]] void end_restore(const Error& error, const std::string& root)
{
    const char* advice = error.code() == ErrorCode::no_space
                             ? ". Make room there and restore again in the same way: what is "
                               "restored already is not fetched again"
                             : "";
    throw RestoreEnd(error.code(), fmt::format("{} (below {}){}", error.what(), root, advice),
                     error.subject(), error.system_error());
}

bool is_file(EntryKind kind)
{
    return kind == EntryKind::file || kind == EntryKind::image;
}

Timestamp modified_of(const struct stat& status)
{
    return {status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec)};
}

mode_t node_type(EntryKind kind)
{
    switch (kind) {
    case EntryKind::block_device:
        return S_IFBLK;
    case EntryKind::character_device:
        return S_IFCHR;
    case EntryKind::fifo:
        return S_IFIFO;
    default:
        return S_IFSOCK;
    }
}

bool is_device(EntryKind kind)
{
    return kind == EntryKind::block_device || kind == EntryKind::character_device;
}

dev_t device_of(const Entry& entry)
{
    return is_device(entry.kind) ? makedev(entry.device >> 32, entry.device & 0xffffffff) : 0;
}

/// Folders need a descriptor of their own for this; O_PATH does for anything else.
FileDescriptor open_by_path(int folder, const std::string& name, const std::string& path)
{
    FileDescriptor thing(openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!thing) {
        throw_system_error(errno, "cannot open what was made", path, ErrorCode::target);
    }
    return thing;
}

} // namespace

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

namespace
{

FileDescriptor open_root(const DirectoryTargetOptions& options)
{
    try {
        return open_root_folder(options.path, options.create_root && !options.dry_run);
    } catch (const Error& error) {
        if (options.dry_run && options.create_root && error.code() == ErrorCode::not_found) {
            return {};
        }
        throw;
    }
}

} // namespace

DirectoryTarget::State::State(DirectoryTargetOptions options, TargetEvents events)
    : options_(std::move(options)), events_(std::move(events)), root_(open_root(options_)),
      setter_({.owners = options_.owners, .numeric_owners = options_.numeric_owners}, shortfalls_),
      folder_descriptors_(DescriptorCache::sensible_limit()),
      file_descriptors_(DescriptorCache::sensible_limit()),
      file_context_{file_descriptors_, names_, setter_, options_.sparse,
                    PlacementRules{options_.overwrite != Overwrite::never, options_.delete_extra}},
      comparison_(root_.get(), setter_),
      stack_(std::make_shared<Folder>(folder_descriptors_, root_.get(),
                                      root_ ? Folder::Origin::found : Folder::Origin::missing),
             [this](const FolderStack::Level& level) { leave_level(level); })
{
}

// Telling.

void DirectoryTarget::State::problem(ErrorCode code, const std::string& path,
                                     const std::string& message)
{
    if (events_.problem) {
        events_.problem({code, path, message});
    }
}

void DirectoryTarget::State::tell(PlanStep::Kind kind, const char* action, const std::string& path,
                                  std::uint64_t bytes, std::string message)
{
    if (events_.plan) {
        events_.plan({kind, action, path, bytes, std::move(message)});
    }
}

void DirectoryTarget::State::conflict(const std::string& path, const std::string& why)
{
    tell(PlanStep::Kind::conflict, "skip", path, 0, why);
    if (!options_.dry_run) {
        problem(ErrorCode::exists, path, why);
    }
}

void DirectoryTarget::State::progress(std::uint64_t entries, std::uint64_t written,
                                      std::uint64_t reused)
{
    if (events_.progress) {
        events_.progress(entries, written, reused);
    }
}

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

// Deciding.

bool DirectoryTarget::State::is_empty_folder(const TargetPlace& place)
{
    const auto parent = place.folder->descriptor();
    const OpenedFolder folder = open_child_folder(parent->get(), place.name);
    return folder.descriptor && list_folder(folder.descriptor.get(), place.path()).empty();
}

bool DirectoryTarget::State::has_same_content(const Entry& entry, const struct stat& there) const
{
    return S_ISREG(there.st_mode) && static_cast<std::uint64_t>(there.st_size) == entry.size &&
           entry.modified && *entry.modified == modified_of(there);
}

DirectoryTarget::State::Finding DirectoryTarget::State::look_at_folder(const Entry& entry,
                                                                       const TargetPlace& place,
                                                                       const struct stat& there)
{
    const auto parent = place.folder->descriptor();
    std::string why;
    if (is_mount_point(parent->get(), place.name)) {
        why = "a mounted file system is in its place";
    } else if (!options_.delete_extra && !is_empty_folder(place)) {
        why = "a folder that is not empty is in its place; remove it, or restore with --delete";
    } else {
        return {Finding::Way::replace, there};
    }
    conflict(entry.path, why);
    return {Finding::Way::leave, there};
}

DirectoryTarget::State::Finding DirectoryTarget::State::look(const Entry& entry,
                                                             const TargetPlace& place)
{
    if (place.folder->origin() != Folder::Origin::found) {
        return {};
    }
    const auto there = stat_child(place.folder->descriptor()->get(), place.name, entry.path);
    if (!there) {
        return {};
    }
    const bool same_kind = is_of_kind(entry.kind, there->st_mode);
    if (options_.overwrite == Overwrite::never) {
        if (same_kind) {
            tell(PlanStep::Kind::step, "skip", entry.path, 0, "it is there already");
        } else {
            conflict(entry.path, "something of another kind is there, and stays");
        }
        return {Finding::Way::leave, there};
    }
    if (options_.overwrite == Overwrite::if_newer && entry.modified &&
        modified_of(*there) > *entry.modified) {
        tell(PlanStep::Kind::step, "skip", entry.path, 0, "what is there is newer");
        return {Finding::Way::leave, there};
    }
    if (S_ISDIR(there->st_mode)) {
        return look_at_folder(entry, place, *there);
    }
    return {Finding::Way::replace, there};
}

/// The word for what would happen to something that is there, without its bytes being read.
const char* DirectoryTarget::State::planned_update(const Entry& entry, const TargetPlace& place)
{
    const auto parent = place.folder->descriptor();
    const FileDescriptor there = open_by_path(parent->get(), place.name, entry.path);
    const Inode inode(there.get(), Inode::Access::path_only);
    return setter_.differences(inode, setter_.wanted(entry)).empty() ? "keep" : "update";
}

void DirectoryTarget::State::plan_entry(const Entry& entry, const TargetPlace& place)
{
    const Finding finding = look(entry, place);
    if (finding.way == Finding::Way::leave) {
        return;
    }
    const std::uint64_t bytes = is_file(entry.kind) ? entry.size : 0;
    if (finding.way == Finding::Way::make) {
        planned_bytes_ += bytes;
        tell(PlanStep::Kind::step, "create", entry.path, bytes);
        return;
    }
    const auto parent = place.folder->descriptor();
    const struct stat& there = *finding.there;
    const bool same = is_of_kind(entry.kind, there.st_mode) &&
                      (is_file(entry.kind) ? has_same_content(entry, there)
                       : entry.kind == EntryKind::symlink
                           ? read_symlink(parent->get(), place.name) == entry.link_target
                           : !is_device(entry.kind) || there.st_rdev == device_of(entry));
    if (same) {
        tell(PlanStep::Kind::step, planned_update(entry, place), entry.path);
        return;
    }
    planned_bytes_ += bytes;
    tell(PlanStep::Kind::step, "replace", entry.path, bytes);
}

// Walking.

bool DirectoryTarget::State::is_refused(std::string_view path) const
{
    return refused_ && path.size() > refused_->size() &&
           (refused_->empty() || path[refused_->size()] == '/') &&
           path.substr(0, refused_->size()) == *refused_;
}

/// Puts the folder that the entry lies in on top of the stack; false: it has to be left out.
bool DirectoryTarget::State::enter_parent(const Entry& entry)
{
    if (is_refused(entry.path)) {
        return false;
    }
    refused_.reset();
    if (options_.delete_extra) {
        if (!path_less(last_path_, entry.path)) {
            keeps_extras_ = "parts of the snapshot meet in one folder";
        }
        last_path_ = entry.path;
    }
    stack_.descend_to(entry.path);
    const SplitPath split = split_path(entry.path);
    const auto depth =
        static_cast<std::size_t>(std::count(split.parent.begin(), split.parent.end(), '/'));
    if (depth >= deepest_folder) {
        throw Error(ErrorCode::unsupported, "it lies too deep", entry.path);
    }
    if (stack_.top_path() != split.parent) {
        make_parents(split.parent);
    }
    FolderStack::Level& level = stack_.top();
    if (level.names_kept) {
        level.names.emplace_back(split.name);
    }
    return true;
}

/// Folders that the walk did not give: taken as they are, or made as mkdir(1) would.
void DirectoryTarget::State::make_parents(std::string_view path)
{
    while (stack_.top_path() != path) {
        const std::string_view above = stack_.top_path();
        const std::size_t begin = above.empty() ? 0 : above.size() + 1;
        const std::size_t end = std::min(path.find('/', begin), path.size());
        make_parent(std::string(path.substr(0, end)), std::string(path.substr(begin, end - begin)));
    }
}

void DirectoryTarget::State::make_parent(const std::string& path, const std::string& name)
{
    FolderStack::Level& level = stack_.top();
    if (level.names_kept) {
        level.names.push_back(name);
    }
    const std::shared_ptr<Folder> above = level.folder;
    const bool missing = options_.dry_run && (above->origin() == Folder::Origin::missing ||
                                              !stat_child(above->descriptor()->get(), name, path));
    auto folder =
        std::make_shared<Folder>(folder_descriptors_, above, name,
                                 missing ? Folder::Origin::missing : Folder::Origin::found);
    if (!missing) {
        if (!options_.dry_run && mkdirat(above->descriptor()->get(), name.c_str(), 0777) != 0 &&
            errno != EEXIST) {
            throw_system_error(errno, "cannot make its folder", path, ErrorCode::target);
        }
        folder->inherits = AttributeSetter::passes_on(Inode(folder->descriptor()->get()));
    }
    stack_.push(std::move(folder), path, false);
}

void DirectoryTarget::State::leave_level(const FolderStack::Level& level)
{
    if (!level.names_kept || ended_) {
        return;
    }
    guarded(level.folder->path(), [&] {
        std::vector<std::string> kept = level.names;
        std::sort(kept.begin(), kept.end());
        const auto descriptor = level.folder->descriptor();
        for (std::string& name : list_folder(descriptor->get(), level.folder->path())) {
            if (!std::binary_search(kept.begin(), kept.end(), name) && !names_.is_ours(name)) {
                extras_.push_back({level.folder, std::move(name)});
            }
        }
    });
}

void DirectoryTarget::State::leave_alone(const std::string& path)
{
    if (stack_.protect(path) || path.empty()) {
        return;
    }
    stack_.descend_to(path);
    FolderStack::Level& level = stack_.top();
    const std::string_view above = stack_.top_path();
    if (level.names_kept) {
        const std::size_t begin = above.empty() ? 0 : above.size() + 1;
        level.names.push_back(path.substr(begin, path.find('/', begin) - begin));
    }
}

DirectoryTarget::Begun DirectoryTarget::State::begin(const Entry& entry)
{
    if (ended_) {
        return {};
    }
    Begun begun;
    const bool done = guarded(entry.path, [&] {
        if (entry.path.empty()) {
            begin_root(entry);
            return;
        }
        if (!is_entry_path(entry.path) || entry.path.size() > max_path_size) {
            throw Error(ErrorCode::damaged,
                        "its name would lead out of the folder to restore to; it is left out",
                        entry.path);
        }
        if (!enter_parent(entry)) {
            return;
        }
        const TargetPlace place{stack_.top().folder, std::string(split_path(entry.path).name)};
        if (entry.kind == EntryKind::directory) {
            begin_folder(entry, place);
        } else if (options_.dry_run) {
            plan_entry(entry, place);
        } else if (is_file(entry.kind)) {
            begun = begin_file(entry, place);
        } else if (entry.kind == EntryKind::hard_link) {
            deferred_links_.push_back(entry);
        } else {
            begin_node(entry, place);
        }
    });
    if (!done) {
        refuse_below(entry.path);
    }
    return begun;
}

// Folders.

/// Puts a folder that is there on the stack, ready to be filled, and remembers what it is to
/// become.
void DirectoryTarget::State::take_folder(const Entry& entry, std::shared_ptr<Folder> folder,
                                         bool names_kept)
{
    WaitingFolder waiting;
    waiting.entry = entry;
    waiting.entry.content = {};
    waiting.entry.subtree.reset();
    const bool is_new = folder->origin() == Folder::Origin::made;
    if (!is_new && options_.overwrite == Overwrite::never) {
        waiting.wanted = WaitingFolder::Wanted::as_found;
    }
    const auto descriptor = folder->descriptor();
    const Inode inode(descriptor->get());
    if (!is_new || stack_.top().folder->inherits) {
        if (is_new) {
            inode.remove_xattr("system.posix_acl_default");
            inode.remove_xattr("system.posix_acl_access");
        }
        folder->inherits = AttributeSetter::passes_on(inode);
        waiting.locks = AttributeSetter::unlock(inode);
    }
    const struct stat status = inode.status();
    if (!is_new && (status.st_mode & 0700) != 0700 && status.st_uid == geteuid() &&
        geteuid() != 0) {
        waiting.mode = status.st_mode & 07777;
        inode.set_mode(*waiting.mode | 0700);
    }
    folders_.add(waiting);
    stack_.push(std::move(folder), entry.path, names_kept);
    progress(1, 0, 0);
}

void DirectoryTarget::State::begin_root(const Entry& entry)
{
    std::shared_ptr<Folder> root = stack_.top().folder;
    if (entry.kind != EntryKind::directory) {
        throw Error(ErrorCode::invalid,
                    "only a folder can be restored into a folder; use its name, too", entry.path);
    }
    stack_.top().names_kept = options_.delete_extra && root->origin() == Folder::Origin::found;
    if (options_.dry_run) {
        return;
    }
    WaitingFolder waiting;
    waiting.entry = entry;
    waiting.entry.content = {};
    waiting.entry.subtree.reset();
    const bool has_attributes = entry.mode || entry.user_id || entry.modified;
    if (options_.overwrite == Overwrite::never || !has_attributes) {
        waiting.wanted = WaitingFolder::Wanted::as_found;
    }
    const Inode inode(root_.get());
    root->inherits = AttributeSetter::passes_on(inode);
    waiting.locks = AttributeSetter::unlock(inode);
    folders_.add(waiting);
    progress(has_attributes ? 1 : 0, 0, 0);
}

void DirectoryTarget::State::begin_folder(const Entry& entry, const TargetPlace& place)
{
    const bool looks = place.folder->origin() == Folder::Origin::found;
    const auto there = looks ? stat_child(place.folder->descriptor()->get(), place.name, entry.path)
                             : std::nullopt;
    if (there && S_ISDIR(there->st_mode)) {
        auto folder = std::make_shared<Folder>(folder_descriptors_, place.folder, place.name,
                                               Folder::Origin::found);
        if (options_.dry_run) {
            tell(PlanStep::Kind::step,
                 options_.overwrite == Overwrite::never ? "keep" : planned_update(entry, place),
                 entry.path);
            stack_.push(std::move(folder), entry.path, options_.delete_extra);
            return;
        }
        const auto parent = place.folder->descriptor();
        OpenedFolder opened = open_child_folder(parent->get(), place.name);
        if (!opened.descriptor) {
            throw_system_error(opened.error, "cannot open the folder", entry.path,
                               ErrorCode::target);
        }
        folder->keep_open(std::move(opened.descriptor));
        take_folder(entry, std::move(folder), options_.delete_extra);
        return;
    }
    const Finding finding = look(entry, place);
    if (finding.way == Finding::Way::leave) {
        refuse_below(entry.path);
        return;
    }
    if (options_.dry_run) {
        tell(PlanStep::Kind::step, there ? "replace" : "create", entry.path);
        stack_.push(std::make_shared<Folder>(folder_descriptors_, place.folder, place.name,
                                             Folder::Origin::missing),
                    entry.path, false);
        return;
    }
    if (there) {
        remove_in_the_way(place.folder->descriptor()->get(), place.name, entry.path);
    }
    make_folder(entry, place);
}

void DirectoryTarget::State::make_folder(const Entry& entry, const TargetPlace& place)
{
    const auto parent = place.folder->descriptor();
    // Nobody else gets in before it is finished.
    if (mkdirat(parent->get(), place.name.c_str(), entry.mode ? 0700 : 0777) != 0) {
        throw_system_error(errno, "cannot make the folder", entry.path, ErrorCode::target);
    }
    auto folder = std::make_shared<Folder>(folder_descriptors_, place.folder, place.name,
                                           Folder::Origin::made);
    OpenedFolder opened = open_child_folder(parent->get(), place.name);
    if (!opened.descriptor) {
        throw_system_error(opened.error, "cannot open the folder", entry.path, ErrorCode::target);
    }
    folder->keep_open(std::move(opened.descriptor));
    take_folder(entry, std::move(folder), false);
}

void DirectoryTarget::State::finish_folder(const WaitingFolder& folder)
{
    guarded(folder.entry.path, [&] {
        OpenedFolder opened = open_folder_below(root_.get(), folder.entry.path);
        if (!opened.descriptor) {
            throw_system_error(opened.error, "cannot open the folder again", folder.entry.path,
                               ErrorCode::target);
        }
        const Inode inode(opened.descriptor.get());
        if (folder.wanted == WaitingFolder::Wanted::as_found) {
            put_folder_back(folder);
            return;
        }
        const Attributes wanted = setter_.wanted(folder.entry);
        std::uint64_t locks =
            setter_.apply(inode, wanted, AttributeSetter::Before::unknown, folder.entry.path);
        if (!wanted.file_flags && folder.origin == WaitingFolder::Origin::found) {
            locks = folder.locks;
        }
        if (locks != 0) {
            setter_.lock(inode, locks, folder.entry.path);
        }
    });
}

/// Undoes what taking the folder changed.
void DirectoryTarget::State::put_folder_back(const WaitingFolder& folder)
{
    if (!folder.mode && folder.locks == 0) {
        return;
    }
    const OpenedFolder opened = open_folder_below(root_.get(), folder.entry.path);
    if (!opened.descriptor) {
        return;
    }
    const Inode inode(opened.descriptor.get());
    if (folder.mode) {
        inode.set_mode(*folder.mode);
    }
    if (folder.locks != 0) {
        setter_.lock(inode, folder.locks, folder.entry.path);
    }
}

// Symlinks, devices, FIFOs, sockets.

int DirectoryTarget::State::make_node(const Entry& entry, int folder, const std::string& name)
{
    const int result =
        entry.kind == EntryKind::symlink
            ? symlinkat(entry.link_target.c_str(), folder, name.c_str())
            : mknodat(folder, name.c_str(), node_type(entry.kind) | 0600, device_of(entry));
    return result == 0 ? 0 : errno;
}

/// True if what is there is the same already; its attributes are set.
bool DirectoryTarget::State::update_node(const Entry& entry, const TargetPlace& place,
                                         const struct stat& there)
{
    const auto parent = place.folder->descriptor();
    const bool same = is_of_kind(entry.kind, there.st_mode) &&
                      (entry.kind == EntryKind::symlink
                           ? read_symlink(parent->get(), place.name) == entry.link_target
                           : !is_device(entry.kind) || there.st_rdev == device_of(entry));
    if (!same) {
        return false;
    }
    const FileDescriptor node = open_by_path(parent->get(), place.name, entry.path);
    const Inode inode(node.get(), Inode::Access::path_only);
    const Attributes wanted = setter_.wanted(entry);
    const bool shared = there.st_nlink > 1;
    if (shared && (!entry.link || !setter_.differences(inode, wanted).empty())) {
        return false;
    }
    setter_.apply(inode, wanted, AttributeSetter::Before::unknown, entry.path);
    return true;
}

void DirectoryTarget::State::make_node_at(const Entry& entry, const TargetPlace& place,
                                          bool replace)
{
    const auto parent = place.folder->descriptor();
    const std::string name = replace ? names_.next() : place.name;
    const int error = make_node(entry, parent->get(), name);
    if (error != 0) {
        throw_system_error(error, fmt::format("cannot make the {}", entry_kind_name(entry.kind)),
                           entry.path, ErrorCode::target);
    }
    try {
        {
            const FileDescriptor node = open_by_path(parent->get(), name, entry.path);
            setter_.apply(Inode(node.get(), Inode::Access::path_only), setter_.wanted(entry),
                          place.folder->inherits ? AttributeSetter::Before::unknown
                                                 : AttributeSetter::Before::bare,
                          entry.path);
        }
        if (replace) {
            put_in_place(parent->get(), name, place.name, entry.path, file_context_.rules);
        }
    } catch (const Error&) {
        unlinkat(parent->get(), name.c_str(), 0);
        throw;
    }
}

void DirectoryTarget::State::begin_node(const Entry& entry, const TargetPlace& place)
{
    if (entry.link_target.find('\0') != std::string::npos) {
        throw Error(ErrorCode::damaged, "its target has a NUL byte", entry.path);
    }
    const LinkWish wish{place, setter_.wanted(entry), 0};
    if (entry.link) {
        const LinkGroups::Joined joined = links_.join(*entry.link, wish);
        if (joined.role == LinkGroups::Role::another) {
            make_link(joined.made_as, wish);
        }
        if (joined.role != LinkGroups::Role::first) {
            return;
        }
    }
    try {
        const Finding finding = look(entry, place);
        if (finding.way == Finding::Way::leave) {
            first_failed(entry.link);
            return;
        }
        const bool replace = finding.way == Finding::Way::replace;
        if (!replace || !update_node(entry, place, *finding.there)) {
            make_node_at(entry, place, replace);
        }
        progress(1, 0, 0);
        first_is_made(entry.link, place);
    } catch (const Error& error) {
        first_failed(entry.link);
        if (!is_device(entry.kind) || error.system_error() != EPERM) {
            throw;
        }
        shortfalls_.add("a device was not made", entry.path, EPERM);
    }
}

// Files.

std::shared_ptr<DirectoryTarget::File>
DirectoryTarget::State::new_file(const TargetPlace& place, Attributes wanted, std::uint64_t size,
                                 std::optional<LinkIdentity> link, const Finding& finding)
{
    const bool beside = finding.way == Finding::Way::replace ||
                        options_.overwrite == Overwrite::never ||
                        options_.overwrite == Overwrite::if_newer;
    auto file =
        std::make_shared<File>(file_context_, place, std::move(wanted), size, link, finding.there,
                               beside ? File::Beside::yes : File::Beside::no);
    const std::lock_guard lock(mutex_);
    unfinished_.emplace(file.get(), file);
    return file;
}

DirectoryTarget::Begun DirectoryTarget::State::begin_file(const Entry& entry,
                                                          const TargetPlace& place)
{
    Attributes wanted = setter_.wanted(entry);
    if (entry.link) {
        const LinkWish wish{place, wanted, entry.size};
        const LinkGroups::Joined joined = links_.join(*entry.link, wish);
        if (joined.role == LinkGroups::Role::another) {
            make_link(joined.made_as, wish);
        }
        if (joined.role != LinkGroups::Role::first) {
            return {};
        }
    }
    Finding finding;
    try {
        finding = look(entry, place);
    } catch (const Error&) {
        first_failed(entry.link);
        throw;
    }
    if (finding.way == Finding::Way::leave) {
        first_failed(entry.link);
        return {};
    }
    Begun begun;
    begun.file = new_file(place, std::move(wanted), entry.size, entry.link, finding);
    if (options_.overwrite == Overwrite::if_changed && finding.there &&
        has_same_content(entry, *finding.there)) {
        keep(std::exchange(begun.file, nullptr));
        return begun;
    }
    if (finding.there && S_ISREG(finding.there->st_mode)) {
        begun.existing = static_cast<std::uint64_t>(finding.there->st_size);
    }
    return begun;
}

std::uint64_t DirectoryTarget::State::write(File& file, std::uint64_t offset, ByteSpan bytes)
{
    if (file.failed() || ended_ || bytes.empty()) {
        return 0;
    }
    std::uint64_t written = 0;
    if (!guarded(file.path(), [&] { written = file.write(offset, bytes); })) {
        file.fail();
    }
    return written;
}

void DirectoryTarget::State::forget(File& file)
{
    const std::lock_guard lock(mutex_);
    unfinished_.erase(&file);
}

void DirectoryTarget::State::discard(File& file)
{
    file.fail();
    file.discard();
    forget(file);
    first_failed(file.link());
}

void DirectoryTarget::State::lock_later(const TargetPlace& place, std::uint64_t locks)
{
    if (locks != 0) {
        const std::lock_guard lock(mutex_);
        locks_.push_back({place, locks});
    }
}

void DirectoryTarget::State::finish_file(File& file)
{
    lock_later(file.place(), file.finish());
    forget(file);
    progress(1, 0, 0);
    first_is_made(file.link(), file.place());
}

void DirectoryTarget::State::finish(const std::shared_ptr<File>& file, Wholeness wholeness)
{
    if (ended_) {
        return;
    }
    if (wholeness == Wholeness::damaged || file->failed()) {
        discard(*file);
        return;
    }
    const auto& there = file->there();
    if (file->size() == 0 && there && S_ISREG(there->st_mode) && there->st_size == 0) {
        keep(file); // nobody has compared it, for it has no bytes
        return;
    }
    bool done = false;
    try {
        done = guarded(file->path(), [&] { finish_file(*file); });
    } catch (const Error&) {
        discard(*file);
        throw;
    }
    if (!done) {
        discard(*file);
    }
}

/// Writes what `source` has into the file, holes left out.
void DirectoryTarget::State::copy_into(File& file, int source)
{
    Bytes buffer(copy_buffer_size);
    std::uint64_t at = 0;
    while (at < file.size()) {
        const off_t data = lseek(source, static_cast<off_t>(at), SEEK_DATA);
        if (data < 0 && errno == ENXIO) {
            break; // only a hole is left
        }
        at = data < 0 ? at : static_cast<std::uint64_t>(data);
        const std::size_t size = read_at(source, at, buffer, file.path());
        if (size == 0 || at >= file.size()) {
            break;
        }
        const std::size_t wanted = std::min<std::uint64_t>(size, file.size() - at);
        progress(0, file.write(at, ByteSpan(buffer).first(wanted)), 0);
        at += wanted;
    }
}

void DirectoryTarget::State::keep(const std::shared_ptr<File>& file)
{
    if (ended_) {
        return;
    }
    const bool done = guarded(file->path(), [&] {
        const FileDescriptor there = file->open_there();
        const Inode inode(there.get());
        const bool shared = file->there()->st_nlink > 1;
        if (shared && (!file->link() || !setter_.differences(inode, file->wanted()).empty())) {
            // Setting attributes would change the other names, too.
            copy_into(*file, there.get());
            finish_file(*file);
            return;
        }
        lock_later(file->place(), setter_.apply(inode, file->wanted(),
                                                AttributeSetter::Before::unknown, file->path()));
        forget(*file);
        progress(1, 0, file->size());
        first_is_made(file->link(), file->place());
    });
    if (!done) {
        discard(*file);
    }
}

// Hard links.

void DirectoryTarget::State::first_is_made(const std::optional<LinkIdentity>& link,
                                           const TargetPlace& place)
{
    if (!link) {
        return;
    }
    for (const LinkWish& wish : links_.made(*link, place)) {
        guarded(wish.place.path(), [&] { make_link(place, wish); });
    }
}

void DirectoryTarget::State::first_failed(const std::optional<LinkIdentity>& link)
{
    if (!link) {
        return;
    }
    for (const LinkWish& wish : links_.failed(*link)) {
        problem(ErrorCode::target, wish.place.path(),
                "it is a hard link to a file that could not be restored");
    }
}

int DirectoryTarget::State::link_at(const TargetPlace& first, const TargetPlace& place,
                                    const std::string& name)
{
    const auto from = first.folder->descriptor();
    const auto to = place.folder->descriptor();
    if (linkat(from->get(), first.name.c_str(), to->get(), name.c_str(), 0) == 0) {
        return 0;
    }
    const int error = errno;
    const std::uint64_t locks = error == EPERM ? unlock_child(from->get(), first.name) : 0;
    if (locks == 0) {
        return error;
    }
    lock_later(first, locks);
    return linkat(from->get(), first.name.c_str(), to->get(), name.c_str(), 0) == 0 ? 0 : errno;
}

void DirectoryTarget::State::make_link(const TargetPlace& first, const LinkWish& wish)
{
    Entry entry; // what look() has to know
    entry.path = wish.place.path();
    entry.kind = wish.wanted.kind;
    entry.modified = wish.wanted.modified;
    entry.size = wish.size;
    const Finding finding = look(entry, wish.place);
    if (finding.way == Finding::Way::leave) {
        return;
    }
    const auto first_there = stat_child(first.folder->descriptor()->get(), first.name, entry.path);
    if (!first_there) {
        throw Error(ErrorCode::target, "it is a hard link to a file that is not there", entry.path);
    }
    if (finding.there && finding.there->st_ino == first_there->st_ino &&
        finding.there->st_dev == first_there->st_dev) {
        progress(1, 0, 0);
        return;
    }
    const bool replace = finding.way == Finding::Way::replace;
    const std::string name = replace ? names_.next() : wish.place.name;
    const int error = link_at(first, wish.place, name);
    if (error == EMLINK || error == EXDEV || error == EPERM || error == EOPNOTSUPP) {
        copy_instead(first, wish, finding);
        return;
    }
    if (error != 0) {
        throw_system_error(error, "cannot make the hard link", entry.path, ErrorCode::target);
    }
    if (replace) {
        const auto folder = wish.place.folder->descriptor();
        try {
            put_in_place(folder->get(), name, wish.place.name, entry.path, file_context_.rules);
        } catch (const Error&) {
            unlinkat(folder->get(), name.c_str(), 0);
            throw;
        }
    }
    progress(1, 0, 0);
}

/// A file system without hard links, another one mounted in between, or too many names: the bytes
/// at least.
void DirectoryTarget::State::copy_instead(const TargetPlace& first, const LinkWish& wish,
                                          const Finding& finding)
{
    if (!is_file(wish.wanted.kind)) {
        throw Error(ErrorCode::target, "cannot make the hard link", wish.place.path());
    }
    const FileDescriptor source(openat(first.folder->descriptor()->get(), first.name.c_str(),
                                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!source) {
        throw_system_error(errno, "cannot read the other name of it", wish.place.path(),
                           ErrorCode::target);
    }
    const auto file = new_file(wish.place, wish.wanted, wish.size, std::nullopt, finding);
    try {
        copy_into(*file, source.get());
        finish_file(*file);
    } catch (const Error&) {
        discard(*file);
        throw;
    }
    shortfalls_.add("a hard link became a copy", wish.place.path(), 0);
}

void DirectoryTarget::State::make_deferred_links(const std::stop_token& stop)
{
    for (const Entry& entry : std::exchange(deferred_links_, {})) {
        throw_if_stopped(stop);
        guarded(entry.path, [&] {
            if (!is_entry_path(entry.link_target)) {
                throw Error(ErrorCode::damaged,
                            "the file that it is a hard link to would lie outside; it is left out",
                            entry.path);
            }
            const auto place_of = [&](const std::string& path) {
                const SplitPath split = split_path(path);
                std::shared_ptr<Folder> folder = std::make_shared<Folder>(
                    folder_descriptors_, root_.get(), Folder::Origin::found);
                std::string_view rest = split.parent;
                while (!rest.empty()) {
                    const std::size_t end = std::min(rest.find('/'), rest.size());
                    folder = std::make_shared<Folder>(folder_descriptors_, folder,
                                                      std::string(rest.substr(0, end)),
                                                      Folder::Origin::found);
                    rest.remove_prefix(std::min(end + 1, rest.size()));
                }
                return TargetPlace{folder, std::string(split.name)};
            };
            LinkWish wish{place_of(entry.path), setter_.wanted(entry), entry.size};
            const TargetPlace first = place_of(entry.link_target);
            const auto there =
                stat_child(first.folder->descriptor()->get(), first.name, entry.link_target);
            if (there && S_ISDIR(there->st_mode)) {
                throw Error(ErrorCode::damaged, "it is a hard link to a folder; it is left out",
                            entry.path);
            }
            if (there && S_ISREG(there->st_mode)) {
                wish.wanted.kind = EntryKind::file;
                wish.size = static_cast<std::uint64_t>(there->st_size);
            }
            make_link(first, wish);
        });
    }
}

// The end.

void DirectoryTarget::State::remove_extras(const std::stop_token& stop)
{
    const std::vector<TargetPlace> extras = std::exchange(extras_, {});
    if (keeps_extras_ != nullptr) {
        if (!extras.empty()) {
            problem(ErrorCode::target, extras.front().path(),
                    fmt::format("nothing is removed, for {}", keeps_extras_));
        }
        return;
    }
    for (const TargetPlace& extra : extras) {
        const std::string path = extra.path();
        if (options_.dry_run) {
            tell(PlanStep::Kind::step, "remove", path);
            continue;
        }
        guarded(path, [&] {
            const auto failed = [&](const std::string& where, const std::string& why) {
                problem(ErrorCode::target, where, why);
            };
            remove_tree(extra.folder->descriptor()->get(), extra.name, path, failed, stop);
        });
    }
}

void DirectoryTarget::State::set_locks()
{
    std::vector<Lock> locks;
    {
        const std::lock_guard lock(mutex_);
        locks.swap(locks_);
    }
    for (const Lock& lock : locks) {
        guarded(lock.place.path(), [&] {
            const FileDescriptor file(openat(lock.place.folder->descriptor()->get(),
                                             lock.place.name.c_str(),
                                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
            if (!file) {
                throw_system_error(errno, "cannot open it to set its flags", lock.place.path(),
                                   ErrorCode::target);
            }
            setter_.lock(Inode(file.get(), Inode::Access::opened), lock.flags, lock.place.path());
        });
    }
}

void DirectoryTarget::State::tell_space()
{
    struct statvfs space {
    };
    std::string message = fmt::format("{} bytes to be written", planned_bytes_);
    if (root_ && fstatvfs(root_.get(), &space) == 0) {
        message += fmt::format(", {} free", space.f_bavail * space.f_frsize);
    }
    tell(PlanStep::Kind::space, "", "", planned_bytes_, message);
}

void DirectoryTarget::State::finish_folders(const std::stop_token& stop)
{
    if (ended_) {
        return;
    }
    make_deferred_links(stop);
    stack_.leave_all();
    remove_extras(stop);
    set_locks();
    folders_.drain([&](const WaitingFolder& folder) {
        throw_if_stopped(stop);
        finish_folder(folder);
    });
    shortfalls_.report(events_);
    if (options_.dry_run) {
        tell_space();
    }
    ended_ = true;
}

void DirectoryTarget::State::abandon() noexcept
{
    ended_ = true;
    try {
        std::unordered_map<File*, std::shared_ptr<File>> unfinished;
        {
            const std::lock_guard lock(mutex_);
            unfinished.swap(unfinished_);
        }
        for (const auto& [file, owner] : unfinished) {
            file->discard();
        }
        set_locks();
        folders_.drain([&](const WaitingFolder& folder) { put_folder_back(folder); });
    } catch (const std::exception&) {
        return; // what is left has a name that tells what it is
    }
}

// The public face.

DirectoryTarget::DirectoryTarget(DirectoryTargetOptions options, TargetEvents events)
    : state_(std::make_unique<State>(std::move(options), std::move(events)))
{
}

DirectoryTarget::~DirectoryTarget()
{
    abandon();
}

DirectoryTarget::Begun DirectoryTarget::begin(const Entry& entry)
{
    return state_->begin(entry);
}

void DirectoryTarget::leave_alone(const std::string& path)
{
    state_->leave_alone(path);
}

void DirectoryTarget::keep_extras()
{
    state_->keeps_extras_ = "the snapshot could not be read whole";
}

std::size_t DirectoryTarget::read_existing(File& file, std::uint64_t offset, MutableByteSpan buffer)
{
    return file.read_there(offset, buffer);
}

void DirectoryTarget::write(File& file, std::uint64_t offset, ByteSpan bytes)
{
    const std::uint64_t written = state_->write(file, offset, bytes);
    state_->progress(0, written, 0);
}

void DirectoryTarget::keep(std::shared_ptr<File> file)
{
    state_->keep(file);
}

void DirectoryTarget::finish(std::shared_ptr<File> file, Wholeness wholeness)
{
    state_->finish(file, wholeness);
}

void DirectoryTarget::finish_folders(const std::stop_token& stop)
{
    state_->finish_folders(stop);
}

void DirectoryTarget::verify_entry(
    const Entry& entry, const std::function<bool(const Entry&, int descriptor)>& same_bytes)
{
    state_->guarded(entry.path, [&] {
        if (!entry.path.empty() && !is_entry_path(entry.path)) {
            return; // begin() told it
        }
        std::string all;
        for (const std::string& word : state_->comparison_.differences(entry, same_bytes)) {
            all += (all.empty() ? "" : "; ") + word;
        }
        if (!all.empty()) {
            state_->problem(ErrorCode::target, entry.path, "differs from the snapshot: " + all);
        }
    });
}

void DirectoryTarget::abandon() noexcept
{
    state_->abandon();
}

} // namespace backstay::core
