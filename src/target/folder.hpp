#pragma once

#include "target/descriptor_cache.hpp"
#include "target/safe_folder.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

/// A folder of a tree that is being made: its place, and a descriptor while the cache keeps one.
/// Thread-safe.
class Folder
{
public:
    /// What is in it when the restore comes to it.
    enum class Origin {
        made,    ///< nothing: it is new
        found,   ///< anything
        missing, ///< a dry run would have made it
    };

    /// `root` must outlive the folder.
    Folder(DescriptorCache& cache, int root, Origin origin);
    Folder(DescriptorCache& cache, std::shared_ptr<Folder> parent, std::string name, Origin origin);
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    Origin origin() const { return origin_; }
    std::string path() const;
    std::string path_of(const std::string& child) const;
    std::size_t path_size() const { return path_size_; }
    std::size_t depth() const { return depth_; }

    /// Whether what is made in it takes over an ACL or flags of it. Set before it is shared.
    bool inherits = false;

    void keep_open(FileDescriptor descriptor);
    /// Throws Error{denied, target} if it is not there any more, or something else is in its place.
    std::shared_ptr<FileDescriptor> descriptor();

private:
    std::shared_ptr<Folder> parent_;
    const std::string name_;
    const int root_;
    const std::size_t path_size_;
    const std::size_t depth_;
    const Origin origin_;
    DescriptorCache& cache_;
    DescriptorCache::Slot slot_;
};

} // namespace backstay::core
