#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// Folders still to be walked, shared out among lanes; the last put in comes first, so a walk in
/// depth holds little more than one way down. Thread-safe.
class FolderQueue
{
public:
    struct Folder {
        std::string path;                              ///< absolute
        std::uint64_t device = 0;                      ///< of its root, for one-file-system
        std::uint64_t seen_device = 0, seen_inode = 0; ///< what it was when it was found
        const std::string* only_name = nullptr;        ///< all that is kept of it; null: everything
    };
    explicit FolderQueue(unsigned lanes) : walking_(lanes) {}
    void push(Folder folder);
    /// Waits while others may still find some. Empty at the end of everything, or on stop. Whoever
    /// calls it has finished its last folder.
    std::optional<Folder> next(const std::stop_token& stop);

private:
    std::mutex mutex_; // guards the two below
    std::condition_variable_any changed_;
    std::vector<Folder> folders_;
    unsigned walking_; ///< lanes that may still push
};

} // namespace backstay::core
