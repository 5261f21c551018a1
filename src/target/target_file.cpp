#include "target/target_file.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

/// A hole smaller than this saves nothing.
constexpr std::uint64_t hole_grain = 4096;

/// The end of the whole grains from `begin` on that are zero throughout (or are not).
std::size_t run_end(ByteSpan bytes, std::size_t begin, std::uint64_t offset, bool zero)
{
    std::size_t at = begin;
    while (at < bytes.size()) {
        const std::size_t grain =
            std::min<std::size_t>(hole_grain - (offset + at) % hole_grain, bytes.size() - at);
        if (is_zero(bytes.subspan(at, grain)) != zero) {
            break;
        }
        at += grain;
    }
    return at;
}

std::uint64_t write_without_zeros(int fd, std::uint64_t offset, ByteSpan bytes,
                                  const std::string& path)
{
    std::uint64_t written = 0;
    std::size_t at = 0;
    while (at < bytes.size()) {
        at = run_end(bytes, at, offset, true);
        const std::size_t end = run_end(bytes, at, offset, false);
        write_at(fd, offset + at, bytes.subspan(at, end - at), path);
        written += end - at;
        at = end;
    }
    return written;
}

} // namespace

DirectoryTarget::File::File(TargetFileContext& context, TargetPlace place, Attributes wanted,
                            std::uint64_t size, std::optional<LinkIdentity> link,
                            std::optional<struct stat> there, Beside beside)
    : context_(context), place_(std::move(place)), wanted_(std::move(wanted)), size_(size),
      link_(link), there_(there),
      name_on_disk_(beside == Beside::yes ? context.names.next() : place_.name),
      beside_(beside == Beside::yes), slot_(context.descriptors), slot_there_(context.descriptors)
{
}

FileDescriptor DirectoryTarget::File::open_there() const
{
    const auto folder = place_.folder->descriptor();
    constexpr int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    FileDescriptor there(openat(folder->get(), place_.name.c_str(), O_RDONLY | flags));
    if (!there && errno == EACCES) {
        there = FileDescriptor(openat(folder->get(), place_.name.c_str(), O_PATH | flags));
    }
    if (!there) {
        throw_system_error(errno, "cannot open what is there", path(), ErrorCode::target);
    }
    struct stat now {
    };
    if (!there_ || fstat(there.get(), &now) != 0 || !S_ISREG(now.st_mode) ||
        now.st_ino != there_->st_ino || now.st_dev != there_->st_dev) {
        throw Error(ErrorCode::target, "was replaced by another program meanwhile", path());
    }
    return there;
}

std::size_t DirectoryTarget::File::read_there(std::uint64_t offset, MutableByteSpan buffer)
{
    if (!there_ || !S_ISREG(there_->st_mode)) {
        return 0;
    }
    try {
        auto descriptor = context_.descriptors.find(slot_there_);
        if (!descriptor) {
            descriptor = context_.descriptors.put(slot_there_, open_there());
        }
        return read_at(descriptor->get(), offset, buffer, path());
    } catch (const Error&) {
        return 0; // what cannot be read is fetched
    }
}

FileDescriptor DirectoryTarget::File::make()
{
    const auto folder = place_.folder->descriptor();
    std::uint32_t mode = context_.setter.creation_mode(wanted_);
    if (place_.folder->inherits && wanted_.mode) {
        mode &= 0700; // an inherited ACL would show it to others
    }
    FileDescriptor made(openat(folder->get(), name_on_disk_.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
                               mode));
    if (!made) {
        if (errno == EEXIST) {
            throw Error(ErrorCode::exists, "something came to its place meanwhile, and stays there",
                        path());
        }
        throw_system_error(errno, "cannot make the file", path(), ErrorCode::target);
    }
    made_ = true;
    const std::uint64_t early = AttributeSetter::early_flags(wanted_);
    if (early != 0) {
        const Inode inode(made.get(), Inode::Access::opened);
        inode.set_flags(inode.flags().value_or(0) | early); // finish() tells if it did not help
    }
    return made;
}

FileDescriptor DirectoryTarget::File::open_again()
{
    const auto folder = place_.folder->descriptor();
    FileDescriptor again(openat(folder->get(), name_on_disk_.c_str(),
                                O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!again) {
        throw_system_error(errno, "cannot open the file again", path(), ErrorCode::target);
    }
    struct stat status {
    };
    if (fstat(again.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1) {
        throw Error(ErrorCode::target, "was replaced by another program meanwhile", path());
    }
    return again;
}

std::shared_ptr<FileDescriptor> DirectoryTarget::File::descriptor()
{
    const std::lock_guard lock(mutex_);
    if (failed_) {
        throw Error(ErrorCode::closed, "was given up", path());
    }
    if (auto open = context_.descriptors.find(slot_)) {
        return open;
    }
    return context_.descriptors.put(slot_, made_ ? open_again() : make());
}

std::uint64_t DirectoryTarget::File::write(std::uint64_t offset, ByteSpan bytes)
{
    if (offset > size_ || bytes.size() > size_ - offset) {
        throw Error(ErrorCode::damaged, "the snapshot has more bytes of it than its size says",
                    path());
    }
    const auto open = descriptor();
    const std::uint64_t end = offset + bytes.size();
    std::uint64_t before = written_to_.load();
    if (context_.sparse) {
        // The size is set at the end, for the last bytes may have become a hole.
        return write_without_zeros(open->get(), offset, bytes, path());
    }
    write_at(open->get(), offset, bytes, path());
    while (before < end && !written_to_.compare_exchange_weak(before, end)) {
    }
    return bytes.size();
}

void DirectoryTarget::File::close()
{
    const auto open = context_.descriptors.drop(slot_);
    if (open && open.use_count() == 1) {
        open->close(path());
    }
}

std::uint64_t DirectoryTarget::File::finish()
{
    const auto before =
        place_.folder->inherits ? AttributeSetter::Before::unknown : AttributeSetter::Before::bare;
    std::uint64_t locks = 0;
    {
        const auto open = descriptor();
        if (written_to_ < size_ && ftruncate(open->get(), static_cast<off_t>(size_)) != 0) {
            throw_system_error(errno, "cannot set the size", path(), ErrorCode::target);
        }
        locks = context_.setter.apply(Inode(open->get(), Inode::Access::opened), wanted_, before,
                                      path());
    }
    close();
    if (beside_) {
        put_in_place(place_.folder->descriptor()->get(), name_on_disk_, place_.name, path(),
                     context_.rules);
    }
    return locks;
}

void DirectoryTarget::File::discard() noexcept
{
    try {
        const std::lock_guard lock(mutex_); // nobody makes it behind our back
        failed_ = true;
        context_.descriptors.drop(slot_);
        if (made_) {
            unlinkat(place_.folder->descriptor()->get(), name_on_disk_.c_str(), 0);
        }
    } catch (const std::exception&) {
        return; // the folder is gone, and the file with it
    }
}

} // namespace backstay::core
