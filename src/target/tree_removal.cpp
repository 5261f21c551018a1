#include "target/tree_removal.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "target/attributes.hpp"
#include "target/placement.hpp"
#include "target/safe_folder.hpp"

#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <linux/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace backstay::core
{

namespace
{

/// Folders open at a time; what lies deeper is moved up and removed from there.
constexpr std::size_t deepest = 64;
/// Where something may have to stay, nothing is moved: what lies deeper than this stays.
constexpr std::size_t deepest_with_spared = 200;

std::string text_of(int system_error)
{
    return std::generic_category().message(system_error);
}

/// One folder being emptied.
struct Level {
    FileDescriptor folder;
    std::string name;
    std::string path;
    std::vector<std::string> rest; ///< names still to be removed
    bool whole = true;             ///< nothing in it had to stay
};

class Removal
{
public:
    Removal(int top, const RemovalFailure& failed, const std::stop_token& stop, const Spare& spare)
        : top_(top), failed_(failed), stop_(stop), spare_(spare)
    {
    }

    bool run(const std::string& name, const std::string& path)
    {
        bool whole = remove(name, path);
        while (!moved_up_.empty()) {
            const auto [moved, moved_path] = moved_up_.front();
            moved_up_.pop_front();
            whole = remove(moved, moved_path) && whole;
        }
        return whole;
    }

private:
    bool remove(const std::string& name, const std::string& path)
    {
        bool whole = take(top_, name, path);
        while (!levels_.empty()) {
            throw_if_stopped(stop_);
            Level& level = levels_.back();
            if (!level.rest.empty()) {
                const std::string child = std::move(level.rest.back());
                level.rest.pop_back();
                const bool gone = take(level.folder.get(), child, level.path + "/" + child);
                // take() may have put another level on top.
                whole = gone && whole;
                continue;
            }
            const Level done = std::move(levels_.back());
            levels_.pop_back();
            const int parent = levels_.empty() ? top_ : levels_.back().folder.get();
            whole =
                (!done.whole || remove_one(parent, done.name, done.path, AT_REMOVEDIR)) && whole;
        }
        return whole;
    }

    /// Removes `name`, or starts to empty it. False: it has to stay.
    bool take(int parent, const std::string& name, const std::string& path)
    {
        struct stat status {
        };
        if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return errno == ENOENT || stay(path, text_of(errno));
        }
        if (spare_ && spare_(parent, name, path)) {
            return keep_folders_above();
        }
        if (!S_ISDIR(status.st_mode)) {
            return remove_one(parent, name, path, 0);
        }
        if (is_mount_point(parent, name)) {
            return stay(path, "something is mounted there");
        }
        if (spare_ && levels_.size() >= deepest_with_spared) {
            return stay(path, "it lies too deep to tell what in it has to stay");
        }
        if (!spare_ && levels_.size() >= deepest) {
            return move_up(parent, name, path);
        }
        return enter(parent, name, path);
    }

    bool enter(int parent, const std::string& name, const std::string& path)
    {
        OpenedFolder opened = open_child_folder(parent, name);
        if (!opened.descriptor) {
            return stay(path, text_of(opened.error));
        }
        if (spare_ && spare_(opened.descriptor.get(), "", path)) {
            return keep_folders_above();
        }
        AttributeSetter::unlock(Inode(opened.descriptor.get(), Inode::Access::opened));
        try {
            std::vector<std::string> names = list_folder(opened.descriptor.get(), path);
            levels_.push_back({std::move(opened.descriptor), name, path, std::move(names)});
            return true;
        } catch (const Error& error) {
            return stay(path, error.what());
        }
    }

    bool move_up(int parent, const std::string& name, const std::string& path)
    {
        const std::string moved = std::string(temporary_prefix) + "removed-" +
                                  std::to_string(getpid()) + "-" + std::to_string(moves_++);
        if (renameat2(parent, name.c_str(), top_, moved.c_str(), RENAME_NOREPLACE) != 0) {
            return stay(path, text_of(errno));
        }
        moved_up_.emplace_back(moved, path);
        return true;
    }

    bool remove_one(int parent, const std::string& name, const std::string& path, int flags)
    {
        if (unlinkat(parent, name.c_str(), flags) == 0 || errno == ENOENT) {
            return true;
        }
        if (errno == EPERM && unlock_child(parent, name) != 0 &&
            unlinkat(parent, name.c_str(), flags) == 0) {
            return true;
        }
        return stay(path, text_of(errno));
    }

    bool stay(const std::string& path, const std::string& why)
    {
        failed_(path, "cannot be removed: " + why);
        return keep_folders_above();
    }

    /// Which would be removed in vain.
    bool keep_folders_above()
    {
        for (Level& level : levels_) {
            level.whole = false;
        }
        return false;
    }

    const int top_;
    const RemovalFailure& failed_;
    const std::stop_token& stop_;
    const Spare& spare_;
    std::vector<Level> levels_;
    std::deque<std::pair<std::string, std::string>> moved_up_;
    std::size_t moves_ = 0;
};

} // namespace

bool remove_tree(int folder, const std::string& name, const std::string& path,
                 const RemovalFailure& failed, const std::stop_token& stop, const Spare& spare)
{
    return Removal(folder, failed, stop, spare).run(name, path);
}

bool is_mount_point(int folder, const std::string& name)
{
    struct statx inner {
    };
    constexpr unsigned flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (statx(folder, name.c_str(), flags, STATX_TYPE, &inner) == 0 &&
        (inner.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0) {
        return (inner.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    }
    struct stat above {
    };
    struct stat below {
    }; // kernels before 5.8 do not tell; another device is the most that can be seen
    return fstat(folder, &above) == 0 &&
           fstatat(folder, name.c_str(), &below, AT_SYMLINK_NOFOLLOW) == 0 &&
           above.st_dev != below.st_dev;
}

} // namespace backstay::core
