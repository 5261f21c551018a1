#pragma once

#include "base/bytes.hpp"

#include <algorithm>
#include <cstring>

namespace backstay::core
{

/// A ring of bytes between one thread that writes and one that reads. Calls are made under the
/// owner's lock; a region that was handed out may be filled or read without it.
class BytePipe
{
public:
    explicit BytePipe(std::size_t capacity) : ring_(capacity) {}

    std::size_t size() const { return size_; }
    std::size_t room() const { return ring_.size() - size_; }

    /// The next free bytes in one piece, maybe not all of them; empty if there is no room.
    MutableByteSpan free_region()
    {
        const std::size_t end = (begin_ + size_) % std::max<std::size_t>(ring_.size(), 1);
        return {ring_.data() + end, std::min(room(), ring_.size() - end)};
    }
    /// The front of free_region() was filled.
    void commit(std::size_t bytes) { size_ += bytes; }

    /// The oldest bytes in one piece, maybe not all of them.
    ByteSpan filled_region() const
    {
        return {ring_.data() + begin_, std::min(size_, ring_.size() - begin_)};
    }
    /// The front of filled_region() was used up.
    void consume(std::size_t bytes)
    {
        begin_ = (begin_ + bytes) % std::max<std::size_t>(ring_.size(), 1);
        size_ -= bytes;
    }

    /// Requires: room() is enough.
    void write(ByteSpan bytes)
    {
        while (!bytes.empty()) {
            const MutableByteSpan region = free_region();
            const std::size_t part = std::min(region.size(), bytes.size());
            std::memcpy(region.data(), bytes.data(), part);
            commit(part);
            bytes = bytes.subspan(part);
        }
    }

private:
    Bytes ring_;
    std::size_t begin_ = 0;
    std::size_t size_ = 0;
};

} // namespace backstay::core
