#include "target/postgres/cluster_file.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t least_direct_size = 1 * MiB;

} // namespace

ClusterFile::ClusterFile(const ClusterFolder& folder, const std::string& path, mode_t mode,
                         std::uint64_t size)
    : name_(folder.path() + "/" + path)
{
    if (folder.is_adopted()) {
        file_ = folder.open_own_file(path, mode);
        was_there_ = static_cast<bool>(file_);
    }
    if (was_there_) {
        resize(size);
        return;
    }
    file_ = folder.make_file(path, mode);
    if (size < least_direct_size) {
        return;
    }
    // Then writes do not make it longer, which many file systems let one thread do at a time.
    if (::fallocate(file_.get(), 0, 0, static_cast<off_t>(size)) == 0) {
        direct_ = folder.open_direct(path);
    } else if (errno == ENOSPC || errno == EDQUOT) {
        throw_system_error(errno, "cannot make room for the file", name_, ErrorCode::target);
    }
}

void ClusterFile::read(std::uint64_t offset, MutableByteSpan bytes) const
{
    if (read_at(file_.get(), offset, bytes, name_) != bytes.size()) {
        throw Error(ErrorCode::target, "the file changed while it was restored", name_);
    }
}

void ClusterFile::write(std::uint64_t offset, const AlignedBuffer& bytes)
{
    ByteSpan rest = bytes.span();
    if (direct_ && offset % direct_io_alignment == 0) {
        const std::size_t aligned = rest.size() / direct_io_alignment * direct_io_alignment;
        const ssize_t put =
            ::pwrite(direct_.get(), rest.data(), aligned, static_cast<off_t>(offset));
        if (put < 0 && errno != EINVAL) {
            throw_system_error(errno, "cannot write the file", name_, ErrorCode::target);
        }
        // What a file system takes only in part, or not so, the ordinary way takes.
        const std::size_t done = put > 0 ? static_cast<std::size_t>(put) : 0;
        rest = rest.subspan(done);
        offset += done;
    }
    if (!rest.empty()) {
        write_at(file_.get(), offset, rest, name_);
    }
}

void ClusterFile::resize(std::uint64_t size)
{
    if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) {
        throw_system_error(errno, "cannot set the size of the file", name_, ErrorCode::target);
    }
}

void ClusterFile::set_time(std::int64_t seconds, std::uint32_t nanoseconds)
{
    const timespec time{seconds, nanoseconds};
    const timespec both[] = {time, time};
    ::futimens(file_.get(), both); // a server does not look at them
}

void ClusterFile::close()
{
    direct_ = FileDescriptor();
    file_.close(name_);
}

} // namespace backstay::core
