#pragma once

#include "base/file.hpp"

#include <map>
#include <string>
#include <sys/types.h>

namespace backstay::core
{

/// The file systems that something was written to, so that all of it is made durable at once: one
/// call for each costs less than one for each file. One thread at a time.
class WrittenFileSystems
{
public:
    /// `folder`: a descriptor of a folder on `device`; one of each file system is opened anew and
    /// kept.
    void add(int folder, dev_t device);

    /// Returns when everything that was written there is on the disk. Throws Error{no_space,
    /// target…}: then it is not, and `path` is named.
    void sync(const std::string& path);

private:
    std::map<dev_t, FileDescriptor> folders_;
};

} // namespace backstay::core
