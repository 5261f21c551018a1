#pragma once

#include "base/file.hpp"

#include <list>
#include <memory>
#include <mutex>

namespace backstay::core
{

/// Keeps the descriptors used last open, at most `limit`, for owners that can open theirs again.
/// Thread-safe.
class DescriptorCache
{
public:
    explicit DescriptorCache(std::size_t limit) : limit_(limit) {}

    /// One owner's place. Must not outlive the cache.
    class Slot
    {
    public:
        explicit Slot(DescriptorCache& cache) : cache_(cache) {}
        ~Slot() { cache_.drop(*this); }
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;

    private:
        friend class DescriptorCache;
        DescriptorCache& cache_;
        std::shared_ptr<FileDescriptor> descriptor_; // guarded by cache_.mutex_
        std::list<Slot*>::iterator position_;        // valid while descriptor_ is set
    };

    /// Empty if it was never put or has been closed since. Stays open while the pointer is held.
    std::shared_ptr<FileDescriptor> find(Slot& slot);

    /// May close others that were not used for longest.
    std::shared_ptr<FileDescriptor> put(Slot& slot, FileDescriptor descriptor);

    /// Forgets the slot's descriptor and hands it over; empty if there is none.
    std::shared_ptr<FileDescriptor> drop(Slot& slot);

    /// A share of RLIMIT_NOFILE that leaves the host room.
    static std::size_t sensible_limit();

private:
    const std::size_t limit_;
    std::mutex mutex_;
    std::list<Slot*> used_; // the last used first; guarded by mutex_
};

} // namespace backstay::core
