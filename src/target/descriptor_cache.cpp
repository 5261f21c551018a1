#include "target/descriptor_cache.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace backstay::core
{

std::shared_ptr<FileDescriptor> DescriptorCache::find(Slot& slot)
{
    const std::lock_guard lock(mutex_);
    if (slot.descriptor_ && slot.position_ != used_.begin()) {
        used_.splice(used_.begin(), used_, slot.position_);
    }
    return slot.descriptor_;
}

std::shared_ptr<FileDescriptor> DescriptorCache::put(Slot& slot, FileDescriptor descriptor)
{
    auto shared = std::make_shared<FileDescriptor>(std::move(descriptor));
    std::shared_ptr<FileDescriptor> evicted; // closed after the lock is gone
    const std::lock_guard lock(mutex_);
    if (slot.descriptor_) {
        used_.erase(slot.position_);
    }
    slot.descriptor_.swap(evicted);
    slot.descriptor_ = shared;
    slot.position_ = used_.insert(used_.begin(), &slot);
    if (used_.size() > limit_) {
        Slot* last = used_.back();
        used_.pop_back();
        last->descriptor_.swap(evicted);
        last->descriptor_.reset();
    }
    return shared;
}

std::shared_ptr<FileDescriptor> DescriptorCache::drop(Slot& slot)
{
    const std::lock_guard lock(mutex_);
    if (slot.descriptor_) {
        used_.erase(slot.position_);
    }
    return std::exchange(slot.descriptor_, nullptr);
}

std::size_t DescriptorCache::sensible_limit()
{
    rlimit limit{};
    const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0;
    return static_cast<std::size_t>(std::clamp<rlim_t>(known ? limit.rlim_cur / 8 : 32, 8, 256));
}

} // namespace backstay::core
