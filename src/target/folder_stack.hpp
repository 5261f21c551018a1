#pragma once

#include "target/folder.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// The folders above the entry that a walk has come to, the root at the bottom, and the names seen
/// in those whose extras are to be found. One thread at a time.
class FolderStack
{
public:
    struct Level {
        std::shared_ptr<Folder> folder;
        bool names_kept = false; ///< `names` will hold every name that the snapshot has here
        std::vector<std::string> names;
    };
    using Leave = std::function<void(const Level&)>;

    FolderStack(std::shared_ptr<Folder> root, Leave leave);

    /// Leaves every folder that `path` does not lie in.
    void descend_to(std::string_view path);
    /// Requires: `path` is that of `folder`, and lies in the folder on top.
    void push(std::shared_ptr<Folder> folder, std::string_view path, bool names_kept);
    Level& top() { return levels_.back(); }
    std::string_view top_path() const { return path_; }
    std::size_t size() const { return levels_.size(); }
    /// Leaves all but the root, then the root.
    void leave_all();
    /// Whether `path` is a folder of the stack; then nothing below it counts as extra.
    bool protect(std::string_view path);

private:
    void leave_top();

    Leave leave_;
    std::vector<Level> levels_;
    std::string path_; ///< of the folder on top
};

} // namespace backstay::core
