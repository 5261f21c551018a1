#pragma once

#include "base/bytes.hpp"

#include <string>
#include <utility>

namespace backstay::core
{

/// Owns a file descriptor. Movable; closing in the destructor ignores errors, so what was written
/// must be synced or closed by close() first.
class FileDescriptor
{
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    ~FileDescriptor();

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    /// Closes and throws Error on failure. `subject` is named in the error.
    void close(const std::string& subject);

private:
    int fd_ = -1;
};

/// Reads up to `buffer.size()` bytes at `offset`; short only at the end of the file. Retries EINTR.
/// Throws Error{storage} naming `subject`.
std::size_t read_at(int fd, std::uint64_t offset, MutableByteSpan buffer,
                    const std::string& subject);

/// Writes all of `bytes` at `offset`. Retries EINTR and short writes. Throws Error (no_space,
/// storage).
void write_at(int fd, std::uint64_t offset, ByteSpan bytes, const std::string& subject);

/// An unnamed temporary file in `folder` (O_TMPFILE where the file system has it, else created and
/// unlinked).
FileDescriptor open_unnamed_file(const std::string& folder);

/// $TMPDIR, or /tmp.
std::string temporary_folder();

/// The whole of a small file, at most `limit` bytes. Throws Error{not_found, denied, invalid (too
/// large)}.
Bytes read_small_file(const std::string& path, std::size_t limit);
/// The rest of what an open descriptor gives, called `name`, in the same way. It may be a pipe.
Bytes read_to_end(int fd, std::size_t limit, const std::string& name);

} // namespace backstay::core
