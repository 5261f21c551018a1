#include "target/folder.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <utility>
#include <vector>

namespace backstay::core
{

Folder::Folder(DescriptorCache& cache, int root, Origin origin)
    : root_(root), path_size_(0), depth_(0), origin_(origin), cache_(cache), slot_(cache)
{
}

Folder::Folder(DescriptorCache& cache, std::shared_ptr<Folder> parent, std::string name,
               Origin origin)
    : parent_(std::move(parent)), name_(std::move(name)), root_(parent_->root_),
      path_size_(parent_->path_size_ + (parent_->parent_ ? 1 : 0) + name_.size()),
      depth_(parent_->depth_ + 1), origin_(origin), cache_(cache), slot_(cache)
{
}

Folder::~Folder()
{
    // One by one: the chain of a deep path would overflow the stack.
    std::shared_ptr<Folder> next = std::move(parent_);
    while (next && next.use_count() == 1) {
        next = std::exchange(next->parent_, nullptr);
    }
}

std::string Folder::path() const
{
    std::vector<const Folder*> chain;
    for (const Folder* at = this; at->parent_; at = at->parent_.get()) {
        chain.push_back(at);
    }
    std::string path;
    path.reserve(path_size_);
    for (auto at = chain.rbegin(); at != chain.rend(); ++at) {
        path += path.empty() ? "" : "/";
        path += (*at)->name_;
    }
    return path;
}

std::string Folder::path_of(const std::string& child) const
{
    const std::string folder = path();
    return folder.empty() ? child : folder + "/" + child;
}

void Folder::keep_open(FileDescriptor descriptor)
{
    cache_.put(slot_, std::move(descriptor));
}

std::shared_ptr<FileDescriptor> Folder::descriptor()
{
    if (auto open = cache_.find(slot_)) {
        return open;
    }
    OpenedFolder opened = open_folder_below(root_, path());
    if (!opened.descriptor) {
        if (opened.error == ELOOP || opened.error == ENOTDIR) {
            throw Error(ErrorCode::target, "a symlink or a file is where its folder should be",
                        path());
        }
        throw_system_error(opened.error, "cannot open its folder", path(), ErrorCode::target);
    }
    return cache_.put(slot_, std::move(opened.descriptor));
}

} // namespace backstay::core
