#include "source/folder_queue.hpp"

namespace backstay::core
{

void FolderQueue::push(Folder folder)
{
    {
        const std::lock_guard lock(mutex_);
        folders_.push_back(std::move(folder));
    }
    changed_.notify_one();
}

std::optional<FolderQueue::Folder> FolderQueue::next(const std::stop_token& stop)
{
    std::unique_lock lock(mutex_);
    walking_ -= walking_ > 0 ? 1 : 0;
    if (walking_ == 0) {
        changed_.notify_all();
    }
    changed_.wait(lock, stop, [this] { return !folders_.empty() || walking_ == 0; });
    if (folders_.empty() || stop.stop_requested()) {
        return std::nullopt;
    }
    ++walking_;
    Folder folder = std::move(folders_.back());
    folders_.pop_back();
    return folder;
}

} // namespace backstay::core
