#include "repo/unreadable_frames.hpp"

#include <cstddef>

namespace backstay::core
{

namespace
{

constexpr std::size_t most = 16'384; ///< the frames of some 512 packs; others are tried again

} // namespace

std::optional<std::string> UnreadableFrames::why(const FrameCache::Key& key)
{
    const std::lock_guard lock(mutex_);
    const auto found = frames_.find(key);
    return found != frames_.end() && found->second.times > 1 ? std::optional(found->second.why)
                                                             : std::nullopt;
}

void UnreadableFrames::add(const FrameCache::Key& key, const std::string& why)
{
    const std::lock_guard lock(mutex_);
    if (frames_.size() < most || frames_.contains(key)) {
        Failure& failure = frames_[key];
        failure.times += 1;
        failure.why = why;
    }
}

} // namespace backstay::core
