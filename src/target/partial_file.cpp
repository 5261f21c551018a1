#include "target/partial_file.hpp"

#include "base/error.hpp"
#include "base/random.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

PartialFile::PartialFile(std::string path) : path_(std::move(path))
{
    std::array<std::uint8_t, 8> random{};
    fill_random(random);
    partial_ = path_ + ".partial-" + to_hex(random);
    descriptor_ = FileDescriptor(
        open(partial_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!descriptor_) {
        throw_system_error(errno, "cannot make the file", path_, ErrorCode::target);
    }
}

PartialFile::~PartialFile()
{
    if (!partial_.empty()) {
        unlink(partial_.c_str());
    }
}

int PartialFile::rename_beside() const
{
    if (renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL) {
        return errno;
    }
    // A file system that does not know the flag knows hard links, mostly.
    if (link(partial_.c_str(), path_.c_str()) != 0) {
        return errno;
    }
    return unlink(partial_.c_str()) == 0 ? 0 : errno;
}

void PartialFile::put_in_place(Existing existing)
{
    if (fsync(descriptor_.get()) != 0) {
        throw_system_error(errno, "cannot write the file", path_, ErrorCode::target);
    }
    descriptor_.close(path_);
    int error = 0;
    if (existing == Existing::stays) {
        error = rename_beside();
    } else if (rename(partial_.c_str(), path_.c_str()) != 0) {
        error = errno;
    }
    if (error == EEXIST) {
        throw Error(ErrorCode::exists, "a file of this name is there; it stays, unless told else",
                    path_, error);
    }
    if (error != 0) {
        throw_system_error(error, "cannot put the file in its place", path_, ErrorCode::target);
    }
    partial_.clear();
}

} // namespace backstay::core
