#include "base/file.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

namespace backstay::core
{

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept
{
    if (this != &other) {
        FileDescriptor old(std::exchange(fd_, std::exchange(other.fd_, -1)));
    }
    return *this;
}

FileDescriptor::~FileDescriptor()
{
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void FileDescriptor::close(const std::string& subject)
{
    // The descriptor is gone even if close() fails; EINTR on Linux too.
    if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) {
        throw_system_error(errno, "cannot close", subject);
    }
}

std::size_t read_at(int fd, std::uint64_t offset, MutableByteSpan buffer,
                    const std::string& subject)
{
    std::size_t done = 0;
    while (done < buffer.size()) {
        const ssize_t got = ::pread(fd, buffer.data() + done, buffer.size() - done,
                                    static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            throw_system_error(errno, "cannot read", subject);
        }
        if (got == 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    return done;
}

void write_at(int fd, std::uint64_t offset, ByteSpan bytes, const std::string& subject)
{
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t put = ::pwrite(fd, bytes.data() + done, bytes.size() - done,
                                     static_cast<off_t>(offset + done));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            throw_system_error(put < 0 ? errno : EIO, "cannot write", subject);
        }
        done += static_cast<std::size_t>(put);
    }
}

FileDescriptor open_unnamed_file(const std::string& folder)
{
    FileDescriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file) {
        return file;
    }
    std::string name = folder + "/backstay-XXXXXX";
    file = FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (!file) {
        throw_system_error(errno, "cannot make a temporary file in this folder", folder);
    }
    ::unlink(name.c_str());
    return file;
}

std::string temporary_folder()
{
    const char* chosen =
        std::getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe): read only, when an engine is made
    return chosen != nullptr && *chosen != '\0' ? chosen : "/tmp";
}

Bytes read_small_file(const std::string& path, std::size_t limit)
{
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        throw_system_error(errno, "cannot open", path);
    }
    return read_to_end(file.get(), limit, path);
}

Bytes read_to_end(int fd, std::size_t limit, const std::string& name)
{
    Bytes bytes;
    constexpr std::size_t step = 64 * KiB;
    while (true) {
        const std::size_t before = bytes.size();
        bytes.resize(before + step);
        // Sequential: the file may be a pipe, as in <(command).
        ssize_t got = 0;
        do {
            got = ::read(fd, bytes.data() + before, step);
        } while (got < 0 && errno == EINTR);
        if (got < 0) {
            throw_system_error(errno, "cannot read", name);
        }
        bytes.resize(before + static_cast<std::size_t>(got));
        if (bytes.size() > limit) {
            throw Error(ErrorCode::invalid, fmt::format("the file is larger than {} bytes", limit),
                        name);
        }
        if (got == 0) {
            return bytes;
        }
    }
}

} // namespace backstay::core
