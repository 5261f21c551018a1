#include "source/tree_lane.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"

#include <cerrno>
#include <fcntl.h>

namespace backstay::core
{

namespace
{

std::string parent_of(const std::string& path)
{
    const std::size_t slash = path.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path)
{
    return path.substr(path.rfind('/') + 1);
}

std::string join(const std::string& folder, const std::string& name)
{
    return folder == "/" ? folder + name : folder + "/" + name;
}

/// These times tell when a name in the folder came or went. Of a folder whose names are not
/// saved they would say that something changed here whenever something changed elsewhere.
void forget_times_of_names(Entry& folder)
{
    folder.modified.reset();
    folder.changed.reset();
}

} // namespace

void TreeLane::seed()
{
    seeds_.assign(walk_.seeds.begin(), walk_.seeds.end());
    if (walk_.is_root("/")) {
        TreeItem root{"/", std::make_shared<FileDescriptor>(open_path("/", O_PATH)), {}, {}};
        read_status(root.folder->get(), "", root.status);
        files_.open_folder(root, ".");
        descend(root, root.status.device);
        walked_seeds_["/"] = root.status.device;
    }
}

std::optional<SourceEntry> TreeLane::next()
{
    while (true) {
        throw_if_stopped(walk_.stop);
        if (!seeds_.empty()) {
            const std::string path = std::move(seeds_.front());
            seeds_.pop_front();
            if (auto entry = give_seed(path)) {
                return entry;
            }
            continue;
        }
        if (!reader_.is_open() && !open_next_folder()) {
            return std::nullopt;
        }
        if (auto entry = next_of_folder()) {
            return entry;
        }
    }
}

/// Empty: what came next was left out, or the folder has ended, or is not open.
std::optional<SourceEntry> TreeLane::next_of_folder()
{
    if (!reader_.is_open()) {
        return std::nullopt;
    }
    const std::optional<std::string> name = reader_.next();
    if (!name) {
        if (reader_.error() != 0) {
            walk_.problem(reader_.error(), folder_.path, "cannot read the whole folder");
        }
        reader_.close();
        return std::nullopt;
    }
    const bool kept = folder_.only_name == nullptr || *name == *folder_.only_name;
    return kept ? give_found(*name, join(folder_.path, *name)) : std::nullopt;
}

void TreeLane::complete(std::uint64_t number, Entry& entry)
{
    TreeItem& item = items_.at(number);
    try {
        files_.open(item);
    } catch (const Error&) {
        // It is not known whole; reading it will fail as well, and tell.
        entry.change_token.clear();
        return;
    }
    entries_.complete(item, entry);
}

std::size_t TreeLane::read(std::uint64_t number, std::uint64_t offset, MutableByteSpan buffer)
{
    return files_.read(items_.at(number), offset, buffer);
}

std::optional<SnapshotStream::Extent> TreeLane::next_data(std::uint64_t number,
                                                          std::uint64_t offset)
{
    return files_.next_data(items_.at(number), offset);
}

DataSource::Outcome TreeLane::outcome(std::uint64_t number, Entry& now)
{
    TreeItem& item = items_.at(number);
    FileStatus status;
    if (!item.file || read_status(item.file.get(), "", status) != 0) {
        return DataSource::Outcome::stable;
    }
    const bool same_bytes =
        status.size == item.status.size && status.modified == item.status.modified;
    if (status.links == 0 && same_bytes) {
        return DataSource::Outcome::vanished;
    }
    if (status.same_state(item.status)) {
        return DataSource::Outcome::stable;
    }
    item.status = status;
    entries_.fill(item, now);
    now.change_token.clear(); // it has just changed
    return DataSource::Outcome::changed;
}

/// 0, or errno. A path that leads elsewhere than when the folder was found may do so by a symlink
/// that somebody put into it; a mount, or a folder that took the place of the other, is welcome.
int TreeLane::open_as_seen()
{
    const int error = reader_.open(folder_.path);
    FileStatus status;
    const bool same = error == 0 && read_status(reader_.folder()->get(), "", status) == 0 &&
                      status.device == folder_.seen_device && status.inode == folder_.seen_inode;
    return error != 0 || same ? error
                              : reader_.open_below(walk_.root_of(folder_.path), folder_.path);
}

bool TreeLane::open_next_folder()
{
    std::optional<FolderQueue::Folder> folder = walk_.folders.next(walk_.stop);
    if (!folder) {
        throw_if_stopped(walk_.stop);
        return false;
    }
    folder_ = std::move(*folder);
    open_folder_.reset();
    if (const int error = open_as_seen(); error != 0) {
        walk_.problem(error, folder_.path,
                      error == ENOENT ? "vanished before it was read" : "cannot open the folder");
        return true;
    }
    open_folder_ = reader_.folder();
    holds_seeds_ = walk_.any_seed_below(folder_.path);
    return true;
}

/// A root, or a folder above one.
std::optional<SourceEntry> TreeLane::give_seed(const std::string& path)
{
    const bool is_root = walk_.is_root(path);
    // What leads to a root is a folder, whether a symlink leads there or not.
    const std::string place = is_root ? path : path + "/.";
    const auto folder = std::make_shared<FileDescriptor>(
        open_path(is_root ? parent_of(path) + "/." : place, O_PATH | O_DIRECTORY));
    if (!*folder) {
        walk_.problem(errno, path, "cannot reach it");
        return std::nullopt;
    }
    const std::string name = name_of(place);
    FileStatus status;
    if (!look_at(folder->get(), name, path, status)) {
        return std::nullopt;
    }
    TreeItem item{path, folder, status, {}};
    bool whole = true;
    if (status.kind == EntryKind::directory) {
        files_.open_folder(item, name);
        whole = walk_seed(item, is_root);
    }
    std::optional<SourceEntry> entry = give(std::move(item), name, place);
    if (entry) {
        entry->entry.contents_left_out = !whole;
        if (!is_root && !walked_seeds_.contains(path)) {
            forget_times_of_names(entry->entry);
        }
    }
    return entry;
}

/// Roots are walked whatever the patterns say; a folder between two roots as if it had been
/// found. False if what is in it is left out.
bool TreeLane::walk_seed(const TreeItem& item, bool is_root)
{
    const std::string& path = item.path;
    const FileStatus& status = item.status;
    std::uint64_t device = status.device;
    if (!is_root) {
        const auto outer = walked_seeds_.find(parent_of(path));
        const FileDescriptor above = open_path(parent_of(path) + "/.", O_PATH | O_DIRECTORY);
        FileStatus itself;
        const bool found = outer != walked_seeds_.end() && above &&
                           read_status(above.get(), name_of(path), itself) == 0 &&
                           itself.kind == EntryKind::directory &&
                           walk_.filter.only_kept_name(above.get()) == nullptr &&
                           !walk_.filter.leaves_out(path.substr(1), itself) &&
                           stays(status, outer->second);
        if (!found) {
            return false;
        }
        device = outer->second;
    }
    walked_seeds_[path] = device;
    return descend(item, device);
}

/// What lies in the folder that is walked. Empty: left out, or a problem was told.
std::optional<SourceEntry> TreeLane::give_found(const std::string& name, const std::string& path)
{
    if (holds_seeds_ && walk_.is_seed(path)) {
        return std::nullopt; // has been given
    }
    FileStatus status;
    if (!look_at(open_folder_->get(), name, path, status) ||
        walk_.filter.leaves_out(path.substr(1), status)) {
        return std::nullopt;
    }
    TreeItem item{path, open_folder_, status, {}};
    bool whole = true;
    if (status.kind == EntryKind::directory) {
        // A mount point is kept as an empty folder if mounts are not crossed.
        whole = stays(status, folder_.device);
        if (whole) {
            files_.open_folder(item, name);
            whole = descend(item, folder_.device);
        }
    }
    std::optional<SourceEntry> entry = give(std::move(item), name, path);
    if (entry) {
        entry->entry.contents_left_out = !whole;
    }
    return entry;
}

bool TreeLane::look_at(int folder, const std::string& name, const std::string& path,
                       FileStatus& status) const
{
    const int error = read_status(folder, name, status);
    if (error != 0) {
        walk_.problem(error, path,
                      error == ENOENT ? "vanished before it was read" : "cannot be looked at");
    }
    return error == 0;
}

bool TreeLane::stays(const FileStatus& status, std::uint64_t device) const
{
    return !walk_.options.one_file_system || status.device == device;
}

/// False if what is in it is left out, but for the name that says so.
bool TreeLane::descend(const TreeItem& item, std::uint64_t device)
{
    const std::string* only_name =
        item.file ? walk_.filter.only_kept_name(item.file.get()) : nullptr;
    walk_.folders.push({item.path, device, item.status.device, item.status.inode, only_name});
    return only_name == nullptr;
}

std::optional<SourceEntry> TreeLane::give(TreeItem item, const std::string& name,
                                          const std::string& place)
{
    std::optional<SourceEntry> entry = entries_.make(item, name, place);
    item.file = {}; // a folder's has told what it can
    if (entry) {
        entry->item = ++last_item_;
        items_.emplace(last_item_, std::move(item));
    }
    return entry;
}

} // namespace backstay::core
