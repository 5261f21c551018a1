#include "source/tree_source.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "source/file_status.hpp"
#include "source/folder_queue.hpp"
#include "source/folder_reader.hpp"
#include "source/owner_names.hpp"
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
    std::vector<std::string> roots; ///< absolute, sorted, none inside another
};

/// One lane: folders from the queue, their entries in the order they are read. One thread at a
/// time.
class TreeLane
{
public:
    explicit TreeLane(Walk& walk) : walk_(walk) {}

    /// Given before anything else: the roots and the folders above them.
    void seed(std::vector<std::string> paths) { seeds_.assign(paths.begin(), paths.end()); }

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
            if (auto entry = give(open_folder_, *name, join(folder_.path, *name), false)) {
                return entry;
            }
        }
    }

    void complete(std::uint64_t number, Entry& entry) const
    {
        add_xattrs(items_.at(number), entry);
    }

    std::size_t read(std::uint64_t number, std::uint64_t offset, MutableByteSpan buffer)
    {
        Item& item = items_.at(number);
        if (!item.file) {
            open_file(item);
        }
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
        if (!item.file) {
            open_file(item);
        }
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
        if (status.links == 0) {
            return DataSource::Outcome::vanished;
        }
        if (status.same_state(item.status)) {
            return DataSource::Outcome::stable;
        }
        item.status = status;
        fill_entry(status, now);
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
        if (const int error = reader_.open(folder_.path); error != 0) {
            walk_.problem(error, folder_.path,
                          error == ENOENT ? "vanished before it was read"
                                          : "cannot open the folder");
            return true;
        }
        open_folder_ =
            std::make_shared<FileDescriptor>(::fcntl(reader_.descriptor(), F_DUPFD_CLOEXEC, 0));
        kept_name_ = walk_.filter.only_kept_name(reader_.descriptor());
        return true;
    }

    std::optional<SourceEntry> give_seed(const std::string& path)
    {
        const std::string folder = parent_of(path);
        const auto open = std::make_shared<FileDescriptor>(open_path(folder, O_PATH | O_DIRECTORY));
        if (!*open) {
            walk_.problem(errno, path, "cannot reach it");
            return std::nullopt;
        }
        const bool is_root = std::binary_search(walk_.roots.begin(), walk_.roots.end(), path);
        return give(open, name_of(path), path, is_root);
    }

    /// `path` is in `folder` under `name`. Empty: left out, or a problem was told.
    std::optional<SourceEntry> give(const OpenFolder& folder, const std::string& name,
                                    const std::string& path, bool is_root)
    {
        FileStatus status;
        if (const int error = read_status(folder->get(), name, status); error != 0) {
            walk_.problem(error, path,
                          error == ENOENT ? "vanished before it was read" : "cannot be looked at");
            return std::nullopt;
        }
        const bool above_a_root = !is_root && is_above_a_root(path);
        const std::string inside = path.substr(1);
        if (!is_root && !above_a_root && walk_.filter.leaves_out(inside, status)) {
            return std::nullopt;
        }
        SourceEntry entry;
        entry.entry.path = inside;
        fill_entry(status, entry.entry);
        entry.entry.user = walk_.names.user(status.user_id);
        entry.entry.group = walk_.names.group(status.group_id);
        if (status.kind == EntryKind::symlink &&
            !read_target(folder->get(), name, path, entry.entry)) {
            return std::nullopt;
        }
        if (status.kind == EntryKind::directory && !above_a_root) {
            descend(path, status, is_root);
        }
        if (status.kind == EntryKind::file) {
            entry.entry.change_token = token_of(status, inside);
            entry.sparse = status.is_sparse();
        }
        // A change of extended attributes sets the change time, which the token holds.
        entry.incomplete = !entry.entry.change_token.empty() && !walk_.options.ignore_change_time;
        entry.item = ++last_item_;
        const auto item = items_.emplace(entry.item, Item{path, folder, status, {}}).first;
        if (!entry.incomplete) {
            add_xattrs(item->second, entry.entry);
        }
        return entry;
    }

    void add_xattrs(const Item& item, Entry& entry) const
    {
        const int error =
            read_xattrs(item.folder->get(), name_of(item.path), item.path, entry.xattrs);
        if (error != 0) {
            walk_.problem(error, item.path, "cannot read its extended attributes");
        }
    }

    bool is_above_a_root(const std::string& path) const
    {
        const std::string prefix = path + "/";
        const auto at = std::lower_bound(walk_.roots.begin(), walk_.roots.end(), prefix);
        return at != walk_.roots.end() && at->starts_with(prefix);
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

    /// A mount point is kept as an empty folder if mounts are not crossed.
    void descend(const std::string& path, const FileStatus& status, bool is_root)
    {
        const std::uint64_t device = is_root ? status.device : folder_.device;
        if (walk_.options.one_file_system && status.device != device) {
            return;
        }
        walk_.folders.push({path, device});
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
        const bool same_change =
            walk_.options.ignore_change_time || before->changed == status.changed;
        // An inode number is kept only of files with several names: of others only the token tells
        // it.
        const bool same_inode = walk_.options.ignore_inode || before->change_token == token ||
                                walk_.options.ignore_change_time;
        return same_change && same_inode ? before->change_token : token;
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

    void open_file(Item& item)
    {
        const std::string name = name_of(item.path);
        constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        FileDescriptor file(::openat(item.folder->get(), name.c_str(), flags | O_NOATIME));
        if (!file && errno == EPERM) {
            file = FileDescriptor(::openat(item.folder->get(), name.c_str(), flags));
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
    std::map<std::uint64_t, Item> items_;
    std::uint64_t last_item_ = 0;
};

/// Roots that lie in another are its business.
std::vector<std::string> outermost(const std::vector<std::string>& sorted)
{
    std::vector<std::string> kept;
    for (const std::string& root : sorted) {
        const bool inside =
            std::any_of(kept.begin(), kept.end(), [&root](const std::string& other) {
                return other == "/" || root.starts_with(other + "/");
            });
        if (!inside) {
            kept.push_back(root);
        }
    }
    return kept;
}

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
        walk_->roots = existing(outermost(absolute_roots(options_.roots)));
        lanes_.clear();
        for (std::uint32_t i = 0; i < options_.lanes; ++i) {
            lanes_.push_back(std::make_unique<TreeLane>(*walk_));
        }
        lanes_.front()->seed(seeds_of(walk_->roots));
        if (walk_->roots.front() == "/") {
            FileStatus status;
            read_status(AT_FDCWD, "/", status);
            walk_->folders.push({"/", status.device});
        }
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
