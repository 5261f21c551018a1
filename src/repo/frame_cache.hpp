#pragma once

#include "base/bytes.hpp"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>

namespace backstay::core
{

/// Opened frames by pack and number, the least recently used going first. Thread-safe.
class FrameCache
{
public:
    explicit FrameCache(std::size_t bytes) : room_(bytes) {}
    using Plain = std::shared_ptr<const Bytes>;
    using Key = std::pair<PackId, std::uint32_t>;
    Plain find(const Key& key);
    void add(const Key& key, Plain plain);

private:
    struct Kept {
        Plain plain;
        std::list<Key>::iterator used;
    };
    std::mutex mutex_; // guards all below
    std::size_t room_;
    std::size_t held_ = 0;
    std::map<Key, Kept> frames_;
    std::list<Key> order_; ///< most recent first
};

} // namespace backstay::core
