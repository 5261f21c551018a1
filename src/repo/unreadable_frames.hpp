#pragma once

#include "repo/frame_cache.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace backstay::core
{

/// Frames that could not be read twice, and why: what else lies in them is lost without reading
/// them once more. Thread-safe.
class UnreadableFrames
{
public:
    /// Empty if it is worth another try.
    std::optional<std::string> why(const FrameCache::Key& key);
    void add(const FrameCache::Key& key, const std::string& why);

private:
    struct Failure {
        int times = 0;
        std::string why;
    };
    std::mutex mutex_; // guards frames_
    std::map<FrameCache::Key, Failure> frames_;
};

} // namespace backstay::core
