#include "target/tree_comparison.hpp"

#include "target/safe_folder.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

FileDescriptor open_parent(int root, std::string_view path)
{
    OpenedFolder parent = open_folder_below(root, split_path(path).parent);
    if (!parent.descriptor) {
        throw_system_error(parent.error, "cannot open its folder", std::string(path),
                           ErrorCode::target);
    }
    return std::move(parent.descriptor);
}

/// Files and folders for reading, anything else without touching it.
FileDescriptor open_thing(int parent, const std::string& name, bool readable,
                          const std::string& path)
{
    constexpr int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    FileDescriptor thing(openat(parent, name.c_str(), (readable ? O_RDONLY : O_PATH) | flags));
    if (!thing) {
        throw_system_error(errno, "cannot be compared", path, ErrorCode::target);
    }
    return thing;
}

bool is_stream(EntryKind kind)
{
    return kind == EntryKind::file || kind == EntryKind::image || kind == EntryKind::hard_link;
}

} // namespace

bool is_of_kind(EntryKind kind, mode_t mode)
{
    switch (kind) {
    case EntryKind::file:
    case EntryKind::image:
        return S_ISREG(mode);
    case EntryKind::directory:
        return S_ISDIR(mode);
    case EntryKind::symlink:
        return S_ISLNK(mode);
    case EntryKind::hard_link:
        return !S_ISDIR(mode);
    case EntryKind::block_device:
        return S_ISBLK(mode);
    case EntryKind::character_device:
        return S_ISCHR(mode);
    case EntryKind::fifo:
        return S_ISFIFO(mode);
    case EntryKind::socket:
        return S_ISSOCK(mode);
    }
    return false;
}

std::optional<std::string> read_symlink(int folder, const std::string& name)
{
    std::string target(256, '\0');
    while (true) {
        const ssize_t size = readlinkat(folder, name.c_str(), target.data(), target.size());
        if (size < 0) {
            return std::nullopt;
        }
        if (static_cast<std::size_t>(size) < target.size()) {
            target.resize(static_cast<std::size_t>(size));
            return target;
        }
        target.resize(target.size() * 2);
    }
}

void TreeComparison::compare_links(const Entry& entry, const struct stat& status,
                                   std::vector<std::string>& words)
{
    const Inside inside{status.st_dev, status.st_ino};
    if (entry.link) {
        const std::lock_guard lock(mutex_);
        const auto [at, is_first] = first_names_.try_emplace(*entry.link, inside);
        if (!is_first && !(at->second == inside)) {
            words.emplace_back("it is no hard link to its other names");
        }
    }
    if (entry.kind == EntryKind::hard_link) {
        const FileDescriptor parent = open_parent(root_, entry.link_target);
        const auto other = stat_child(parent.get(), std::string(split_path(entry.link_target).name),
                                      entry.link_target);
        if (!other || !(Inside{other->st_dev, other->st_ino} == inside)) {
            words.push_back("it is no hard link to " + entry.link_target);
        }
    }
}

std::vector<std::string> TreeComparison::differences(const Entry& entry,
                                                     const SameBytes& same_bytes)
{
    const FileDescriptor parent = open_parent(root_, entry.path);
    const std::string name = entry.path.empty() ? "." : std::string(split_path(entry.path).name);
    const auto status = stat_child(parent.get(), name, entry.path);
    if (!status) {
        return {"it is not there"};
    }
    if (!is_of_kind(entry.kind, status->st_mode)) {
        return {fmt::format("it is no {}", entry_kind_name(entry.kind))};
    }
    std::vector<std::string> words;
    compare_links(entry, *status, words);
    if (entry.kind == EntryKind::hard_link) {
        return words; // its attributes are those of the other name
    }
    if (entry.kind == EntryKind::symlink && read_symlink(parent.get(), name) != entry.link_target) {
        words.emplace_back("it points elsewhere");
    }
    if ((entry.kind == EntryKind::block_device || entry.kind == EntryKind::character_device) &&
        status->st_rdev != makedev(entry.device >> 32, entry.device & 0xffffffff)) {
        words.emplace_back("it is another device");
    }
    const bool readable = S_ISREG(status->st_mode) || S_ISDIR(status->st_mode);
    const FileDescriptor thing = open_thing(parent.get(), name, readable, entry.path);
    for (std::string& word : setter_.differences(Inode(thing.get()), setter_.wanted(entry))) {
        words.push_back(std::move(word));
    }
    if (is_stream(entry.kind)) {
        const auto size = static_cast<std::uint64_t>(status->st_size);
        if (size != entry.size) {
            words.push_back(fmt::format("its size is {}, not {}", size, entry.size));
        } else if (!same_bytes(entry, thing.get())) {
            words.emplace_back("its content differs");
        }
    }
    return words;
}

} // namespace backstay::core
