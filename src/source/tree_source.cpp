#include "source/tree_source.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "source/file_status.hpp"
#include "source/folder_queue.hpp"
#include "source/folder_reader.hpp"
#include "source/owner_names.hpp"
#include "source/tree_choice.hpp"
#include "source/tree_filter.hpp"
#include "source/xattr_reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <system_error>
#include <unistd.h>

namespace backstay::core
{

namespace
{

std::string error_text(int error)
{
    return std::generic_category().message(error);
}

ErrorCode code_of(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return ErrorCode::not_found;
    case EACCES:
    case EPERM:
        return ErrorCode::denied;
    default:
        return ErrorCode::source;
    }
}

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

/// A folder that files were found in, kept open while any of them may be read.
using OpenFolder = std::shared_ptr<FileDescriptor>;

/// An entry that was given and not released.
struct Item {
    std::string path; ///< absolute
    OpenFolder folder;
    FileStatus status;
    FileDescriptor file;
};

/// What all lanes share. Thread-safe.
struct Walk {
    Walk(const TreeSourceOptions& from, SnapshotView* view, ProblemSink sink, std::stop_token token)
        : options(from), filter(from), parent(view), problems(std::move(sink)),
          stop(std::move(token)), folders(from.lanes)
    {
    }

    void problem(int error, const std::string& path, const char* what) const
    {
        problems({code_of(error), path.substr(1), fmt::format("{}: {}", what, error_text(error))});
    }

    const TreeSourceOptions& options;
    TreeFilter filter;
    SnapshotView* parent;
    ProblemSink problems;
    std::stop_token stop;
    FolderQueue folders;
    OwnerNames names;
    std::vector<std::string> roots; ///< absolute, sorted
    std::vector<std::string> seeds; ///< the roots and the folders above them, "/" left out, sorted
};

bool any_below(const std::vector<std::string>& sorted, const std::string& folder)
{
    const std::string prefix = folder == "/" ? folder : folder + "/";
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), prefix);
    return at != sorted.end() && at->starts_with(prefix);
}

/// One lane: folders from the queue, their entries in the order they are read. One thread at a
/// time.
class TreeLane
{
public:
    explicit TreeLane(Walk& walk) : walk_(walk) {}

    /// Makes this lane give the roots and the folders above them, before anything else.
    void seed()
    {
        seeds_.assign(walk_.seeds.begin(), walk_.seeds.end());
        if (std::binary_search(walk_.roots.begin(), walk_.roots.end(), "/")) {
            FileStatus status;
            read_status(AT_FDCWD, "/", status);
            descend("/", status.device);
            walked_seeds_["/"] = status.device;
        }
    }

    std::optional<SourceEntry> next()
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
            if (!reader_.is_open()) {
                continue;
            }
            const std::optional<std::string> name = reader_.next();
            if (!name) {
                if (reader_.error() != 0) {
                    walk_.problem(reader_.error(), folder_.path, "cannot read the whole folder");
                }
                reader_.close();
                continue;
            }
            if (kept_name_ != nullptr && *name != *kept_name_) {
                continue;
            }
            if (auto entry = give_found(*name, join(folder_.path, *name))) {
                return entry;
            }
        }
    }

    void complete(std::uint64_t number, Entry& entry)
    {
        Item& item = items_.at(number);
        try {
            open_if_needed(item);
        } catch (const Error&) {
            entry.change_token.clear(); // it is not known whole; reading it will fail as well, and
                                        // tell
            return;
        }
        add_xattrs(item, entry);
    }

    std::size_t read(std::uint64_t number, std::uint64_t offset, MutableByteSpan buffer)
    {
        Item& item = items_.at(number);
        open_if_needed(item);
        // Up to where the file ended when it was looked at, there is no need to ask for its end: if
        // it has grown since, outcome() sees it.
        const std::uint64_t size = item.status.size;
        const bool within = offset < size && size - offset < buffer.size();
        const MutableByteSpan wanted =
            within ? buffer.first(static_cast<std::size_t>(size - offset)) : buffer;
        return read_at(item.file.get(), offset, wanted, item.path.substr(1));
    }

    std::optional<SnapshotStream::Extent> next_data(std::uint64_t number, std::uint64_t offset)
    {
        Item& item = items_.at(number);
        open_if_needed(item);
        const off_t begin = ::lseek(item.file.get(), static_cast<off_t>(offset), SEEK_DATA);
        if (begin < 0) {
            return errno == ENXIO ? std::nullopt
                                  : std::optional(SnapshotStream::Extent{offset, item.status.size});
        }
        const off_t end = ::lseek(item.file.get(), begin, SEEK_HOLE);
        return SnapshotStream::Extent{static_cast<std::uint64_t>(begin),
                                      end < 0 ? item.status.size : static_cast<std::uint64_t>(end)};
    }

    DataSource::Outcome outcome(std::uint64_t number, Entry& now)
    {
        Item& item = items_.at(number);
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
        fill_entry(status, now);
        name_owners(status, now);
        add_xattrs(item, now);
        now.change_token.clear(); // it has just changed
        return DataSource::Outcome::changed;
    }

    void release(std::uint64_t number) { items_.erase(number); }

private:
    bool open_next_folder()
    {
        std::optional<FolderQueue::Folder> folder = walk_.folders.next(walk_.stop);
        if (!folder) {
            throw_if_stopped(walk_.stop);
            return false;
        }
        folder_ = std::move(*folder);
        open_folder_.reset();
        if (const int error = reader_.open(folder_.path); error != 0) {
            walk_.problem(error, folder_.path,
                          error == ENOENT ? "vanished before it was read"
                                          : "cannot open the folder");
            return true;
        }
        open_folder_ = reader_.folder();
        kept_name_ = walk_.filter.only_kept_name(open_folder_->get());
        holds_seeds_ = any_below(walk_.seeds, folder_.path);
        return true;
    }

    /// A root, or a folder above one.
    std::optional<SourceEntry> give_seed(const std::string& path)
    {
        const bool is_root = std::binary_search(walk_.roots.begin(), walk_.roots.end(), path);
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
        const bool walked = status.kind == EntryKind::directory && walk_seed(path, status, is_root);
        std::optional<SourceEntry> entry = make_entry({path, folder, status, {}}, name, place);
        if (entry && !is_root && !walked) {
            forget_times_of_names(entry->entry);
        }
        return entry;
    }

    /// These times tell when a name in the folder came or went. Of a folder whose names are not
    /// saved they would say that something changed here whenever something changed elsewhere.
    static void forget_times_of_names(Entry& folder)
    {
        folder.modified.reset();
        folder.changed.reset();
    }

    /// Roots are walked whatever the patterns say; a folder between two roots as if it had been
    /// found. False if it is not walked.
    bool walk_seed(const std::string& path, const FileStatus& status, bool is_root)
    {
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
        descend(path, device);
        return true;
    }

    /// What lies in the folder that is walked. Empty: left out, or a problem was told.
    std::optional<SourceEntry> give_found(const std::string& name, const std::string& path)
    {
        if (holds_seeds_ && std::binary_search(walk_.seeds.begin(), walk_.seeds.end(), path)) {
            return std::nullopt; // has been given
        }
        FileStatus status;
        if (!look_at(open_folder_->get(), name, path, status) ||
            walk_.filter.leaves_out(path.substr(1), status)) {
            return std::nullopt;
        }
        // A mount point is kept as an empty folder if mounts are not crossed.
        if (status.kind == EntryKind::directory && stays(status, folder_.device)) {
            descend(path, folder_.device);
        }
        return make_entry({path, open_folder_, status, {}}, name, path);
    }

    bool look_at(int folder, const std::string& name, const std::string& path,
                 FileStatus& status) const
    {
        const int error = read_status(folder, name, status);
        if (error != 0) {
            walk_.problem(error, path,
                          error == ENOENT ? "vanished before it was read" : "cannot be looked at");
        }
        return error == 0;
    }

    bool stays(const FileStatus& status, std::uint64_t device) const
    {
        return !walk_.options.one_file_system || status.device == device;
    }

    void descend(const std::string& path, std::uint64_t device)
    {
        walk_.folders.push({path, device});
    }

    /// `place`: a path to it that ends in `name`. Empty: a problem was told.
    std::optional<SourceEntry> make_entry(Item item, const std::string& name,
                                          const std::string& place)
    {
        SourceEntry entry;
        entry.entry.path = item.path.substr(1);
        fill_entry(item.status, entry.entry);
        name_owners(item.status, entry.entry);
        if (item.status.kind == EntryKind::symlink &&
            !read_target(item.folder->get(), name, item.path, entry.entry)) {
            return std::nullopt;
        }
        const bool is_file = item.status.kind == EntryKind::file;
        if (is_file) {
            entry.entry.change_token = token_of(item.status, entry.entry.path);
            entry.sparse = item.status.is_sparse();
        }
        // A change of extended attributes sets the change time, which the token holds.
        entry.incomplete = is_file && !walk_.options.ignore_change_time;
        if (!entry.incomplete) {
            const int error = read_xattrs(item.folder->get(), name, place, entry.entry.xattrs);
            tell_lost_xattrs(error, item.path, entry.entry);
        }
        entry.item = ++last_item_;
        items_.emplace(entry.item, std::move(item));
        return entry;
    }

    void name_owners(const FileStatus& status, Entry& entry)
    {
        entry.user = walk_.names.user(status.user_id);
        entry.group = walk_.names.group(status.group_id);
    }

    /// Of an open file.
    void add_xattrs(const Item& item, Entry& entry) const
    {
        tell_lost_xattrs(read_xattrs(item.file.get(), entry.xattrs), item.path, entry);
    }

    /// Without a token the next backup does not take the loss over without a word.
    void tell_lost_xattrs(int error, const std::string& path, Entry& entry) const
    {
        if (error != 0) {
            entry.change_token.clear();
            walk_.problem(error, path, "cannot read its extended attributes");
        }
    }

    bool read_target(int folder, const std::string& name, const std::string& path, Entry& entry)
    {
        std::array<char, PATH_MAX + 1> buffer{};
        const ssize_t size = ::readlinkat(folder, name.c_str(), buffer.data(), buffer.size());
        if (size < 0) {
            walk_.problem(errno, path, "cannot read where it points");
            return false;
        }
        entry.link_target.assign(buffer.data(), static_cast<std::size_t>(size));
        return true;
    }

    Bytes token_of(const FileStatus& status, const std::string& path) const
    {
        Bytes token = make_change_token(status, system_clock().now());
        const bool lenient = walk_.options.ignore_change_time || walk_.options.ignore_inode;
        if (!lenient || walk_.parent == nullptr || token.empty()) {
            return token;
        }
        const std::optional<Entry> before = look_up_in_parent(path);
        if (!before || before->kind != EntryKind::file || before->size != status.size ||
            before->modified != status.modified) {
            return token;
        }
        FileStatus forgiven = status;
        if (walk_.options.ignore_change_time) {
            forgiven.changed = before->changed.value_or(status.changed);
        }
        // An inode number is kept only of files with several names: of others only the token tells.
        const bool same = walk_.options.ignore_inode
                              ? before->changed == forgiven.changed
                              : before->change_token == encode_change_token(forgiven);
        return same ? before->change_token : token;
    }

    /// A parent that cannot be read is no parent.
    std::optional<Entry> look_up_in_parent(const std::string& path) const
    {
        try {
            return walk_.parent->lookup(path);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            return std::nullopt;
        }
    }

    void open_if_needed(Item& item)
    {
        if (item.file) {
            return;
        }
        const std::string name = name_of(item.path);
        constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        // Who may not leave the access time alone is told once for each owner.
        const bool leave_time = refused_owner_ != item.status.user_id;
        FileDescriptor file(
            ::openat(item.folder->get(), name.c_str(), flags | (leave_time ? O_NOATIME : 0)));
        if (!file && errno == EPERM && leave_time) {
            file = FileDescriptor(::openat(item.folder->get(), name.c_str(), flags));
            refused_owner_ = file ? std::optional(item.status.user_id) : refused_owner_;
        }
        if (!file) {
            const int error = errno;
            throw Error(code_of(error),
                        error == ENOENT ? "vanished before it was read"
                                        : fmt::format("cannot be opened: {}", error_text(error)),
                        item.path, error);
        }
        FileStatus status;
        if (const int error = read_status(file.get(), "", status); error != 0) {
            throw Error(ErrorCode::source,
                        fmt::format("cannot be looked at: {}", error_text(error)), item.path,
                        error);
        }
        if (status.kind != EntryKind::file) {
            throw Error(ErrorCode::source, "became something else than a file before it was read",
                        item.path);
        }
        item.file = std::move(file);
    }

    Walk& walk_;
    std::deque<std::string> seeds_;
    FolderQueue::Folder folder_;
    OpenFolder open_folder_;
    FolderReader reader_;
    const std::string* kept_name_ = nullptr;
    bool holds_seeds_ = false;
    std::map<std::string, std::uint64_t> walked_seeds_; ///< with their roots' devices
    std::optional<std::uint32_t> refused_owner_;
    std::map<std::uint64_t, Item> items_;
    std::uint64_t last_item_ = 0;
};

/// Roots and the folders above them, each once, outermost first.
std::vector<std::string> seeds_of(const std::vector<std::string>& roots)
{
    std::vector<std::string> seeds;
    for (const std::string& root : roots) {
        for (std::size_t slash = root.find('/', 1); slash != std::string::npos;
             slash = root.find('/', slash + 1)) {
            seeds.push_back(root.substr(0, slash));
        }
        if (root != "/") {
            seeds.push_back(root);
        }
    }
    std::sort(seeds.begin(), seeds.end());
    seeds.erase(std::unique(seeds.begin(), seeds.end()), seeds.end());
    return seeds;
}

class TreeSource : public DataSource
{
public:
    explicit TreeSource(TreeSourceOptions options) : options_(std::move(options))
    {
        options_.lanes = std::max(1U, options_.lanes);
    }

    std::string probe(const std::stop_token&) override
    {
        return R"({"kind":"tree","scope":"object"})";
    }

    SessionPlan open(SnapshotView* parent, ProblemSink problems, std::stop_token stop) override
    {
        walk_ = std::make_unique<Walk>(options_, parent, std::move(problems), std::move(stop));
        walk_->roots = existing(absolute_roots(options_.roots));
        walk_->seeds = seeds_of(walk_->roots);
        lanes_.clear();
        for (std::uint32_t i = 0; i < options_.lanes; ++i) {
            lanes_.push_back(std::make_unique<TreeLane>(*walk_));
        }
        lanes_.front()->seed();
        return {options_.lanes, 0, 0};
    }

    std::optional<SourceEntry> next(std::uint32_t lane) override { return lanes_.at(lane)->next(); }

    void complete(std::uint32_t lane, std::uint64_t item, Entry& entry) override
    {
        lanes_.at(lane)->complete(item, entry);
    }

    std::size_t read(std::uint32_t lane, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override
    {
        return lanes_.at(lane)->read(item, offset, buffer);
    }

    std::optional<SnapshotStream::Extent> next_data(std::uint32_t lane, std::uint64_t item,
                                                    std::uint64_t offset) override
    {
        return lanes_.at(lane)->next_data(item, offset);
    }

    Outcome outcome(std::uint32_t lane, std::uint64_t item, Entry& now) override
    {
        return lanes_.at(lane)->outcome(item, now);
    }

    void release(std::uint32_t lane, std::uint64_t item) override
    {
        lanes_.at(lane)->release(item);
    }

    SourceVerdict finish() override
    {
        SourceVerdict verdict;
        verdict.kind = SourceVerdict::Kind::ok;
        verdict.record = record_of_choice(options_);
        return verdict;
    }

    void settle(bool) override
    {
        lanes_.clear();
        walk_.reset();
    }

private:
    /// A root that is not there is a problem; if none is, there is nothing to save.
    std::vector<std::string> existing(const std::vector<std::string>& roots)
    {
        std::vector<std::string> found;
        for (const std::string& root : roots) {
            const FileDescriptor there = open_path(root, O_PATH);
            if (there) {
                found.push_back(root);
            } else {
                walk_->problem(errno, root, "cannot be saved");
            }
        }
        if (found.empty()) {
            throw Error(ErrorCode::not_found, "nothing of what is to be saved is there",
                        roots.empty() ? "" : roots.front());
        }
        return found;
    }

    TreeSourceOptions options_;
    std::unique_ptr<Walk> walk_;
    std::vector<std::unique_ptr<TreeLane>> lanes_;
};

} // namespace

std::vector<std::string> absolute_roots(const std::vector<std::string>& roots)
{
    std::vector<std::string> absolute;
    for (const std::string& root : roots) {
        std::error_code failure;
        std::string path = std::filesystem::path(root).is_absolute()
                               ? root
                               : (std::filesystem::current_path(failure) / root).string();
        if (failure) {
            throw Error(ErrorCode::source, "the working folder is not there: give absolute paths",
                        root);
        }
        path = std::filesystem::path(path).lexically_normal().string();
        while (path.size() > 1 && path.ends_with('/')) {
            path.pop_back();
        }
        if (path.starts_with("//")) {
            path.erase(0, 1);
        }
        absolute.push_back(std::move(path));
    }
    std::sort(absolute.begin(), absolute.end());
    absolute.erase(std::unique(absolute.begin(), absolute.end()), absolute.end());
    return absolute;
}

std::unique_ptr<DataSource> make_tree_source(TreeSourceOptions options)
{
    return std::make_unique<TreeSource>(std::move(options));
}

} // namespace backstay::core
