#include "source/postgres/spool_file.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <cerrno>

namespace backstay::core
{

SpoolFile open_spool_file()
{
    FileDescriptor descriptor = open_unnamed_file(temporary_folder());
    SpoolFile file(::fdopen(descriptor.get(), "w+"));
    if (!file) {
        throw_system_error(errno, "cannot open a temporary file", temporary_folder());
    }
    descriptor.release();
    return file;
}

void write_spool(std::FILE* file, ByteSpan bytes)
{
    if (std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) {
        throw_system_error(errno, "cannot write a temporary file", temporary_folder());
    }
}

void flush_spool(std::FILE* file)
{
    if (std::fflush(file) != 0) {
        throw_system_error(errno, "cannot write a temporary file", temporary_folder());
    }
}

void seek_spool(std::FILE* file, std::uint64_t offset)
{
    flush_spool(file);
    if (::fseeko(file, static_cast<off_t>(offset), SEEK_SET) != 0) {
        throw_system_error(errno, "cannot read a temporary file", temporary_folder());
    }
}

std::size_t read_spool(std::FILE* file, MutableByteSpan buffer)
{
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file);
    if (got < buffer.size() && std::ferror(file) != 0) {
        throw_system_error(errno, "cannot read a temporary file", temporary_folder());
    }
    return got;
}

} // namespace backstay::core
