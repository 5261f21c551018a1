#include "repo/frame_cache.hpp"

namespace backstay::core
{

FrameCache::Plain FrameCache::find(const Key& key)
{
    const std::lock_guard lock(mutex_);
    const auto found = frames_.find(key);
    if (found == frames_.end()) {
        return nullptr;
    }
    order_.splice(order_.begin(), order_, found->second.used);
    return found->second.plain;
}

void FrameCache::add(const Key& key, Plain plain)
{
    const std::lock_guard lock(mutex_);
    if (frames_.find(key) != frames_.end()) {
        return;
    }
    held_ += plain->size();
    order_.push_front(key);
    frames_[key] = {std::move(plain), order_.begin()};
    while (held_ > room_ && order_.size() > 1) {
        const auto oldest = frames_.find(order_.back());
        held_ -= oldest->second.plain->size();
        frames_.erase(oldest);
        order_.pop_back();
    }
}

} // namespace backstay::core
