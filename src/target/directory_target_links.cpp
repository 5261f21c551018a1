#include "base/worker_group.hpp"
#include "target/directory_target_state.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

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

} // namespace backstay::core
