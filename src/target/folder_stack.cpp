#include "target/folder_stack.hpp"

#include <utility>

namespace backstay::core
{

namespace
{

bool lies_in(std::string_view path, std::string_view folder)
{
    return folder.empty() || (path.size() > folder.size() && path[folder.size()] == '/' &&
                              path.substr(0, folder.size()) == folder);
}

} // namespace

FolderStack::FolderStack(std::shared_ptr<Folder> root, Leave leave) : leave_(std::move(leave))
{
    levels_.push_back({std::move(root), false, {}});
}

void FolderStack::leave_top()
{
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    path_.resize(levels_.empty() ? 0 : levels_.back().folder->path_size());
    leave_(left);
}

void FolderStack::descend_to(std::string_view path)
{
    while (levels_.size() > 1 && !lies_in(path, path_)) {
        leave_top();
    }
}

void FolderStack::push(std::shared_ptr<Folder> folder, std::string_view path, bool names_kept)
{
    path_ = path;
    levels_.push_back({std::move(folder), names_kept, {}});
}

void FolderStack::leave_all()
{
    while (!levels_.empty()) {
        leave_top();
    }
}

bool FolderStack::protect(std::string_view path)
{
    for (Level& level : levels_) {
        if (level.folder->path_size() == path.size() && path_.compare(0, path.size(), path) == 0) {
            level.names_kept = false;
            level.names = {};
            return true;
        }
    }
    return false;
}

} // namespace backstay::core
