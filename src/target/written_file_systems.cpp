#include "target/written_file_systems.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace backstay::core
{

void WrittenFileSystems::add(int folder, dev_t device)
{
    if (folders_.find(device) != folders_.end()) {
        return;
    }
    // Opened anew: a descriptor that only names the folder (O_PATH) cannot be synced.
    FileDescriptor copy(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (copy) {
        folders_.emplace(device, std::move(copy));
    }
}

void WrittenFileSystems::sync(const std::string& path)
{
    for (const auto& [device, folder] : folders_) {
        if (::syncfs(folder.get()) != 0) {
            throw_system_error(errno, "what was restored did not all reach the disk", path,
                               ErrorCode::target);
        }
    }
}

} // namespace backstay::core
