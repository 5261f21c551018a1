#include "target/directory_target_state.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t copy_buffer_size = 256 * KiB;

} // namespace

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

} // namespace backstay::core
