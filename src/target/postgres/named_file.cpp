#include "target/postgres/named_file.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

namespace backstay::core
{

NamedFile::NamedFile(ByteSpan content) : path_(temporary_folder() + "/backstay-XXXXXX")
{
    FileDescriptor file(::mkostemp(path_.data(), O_CLOEXEC));
    if (!file) {
        throw_system_error(errno, "cannot make a temporary file", path_);
    }
    try {
        write_at(file.get(), 0, content, path_);
        file.close(path_);
    } catch (...) {
        ::unlink(path_.c_str());
        throw;
    }
}

NamedFile::~NamedFile()
{
    ::unlink(path_.c_str());
}

} // namespace backstay::core
