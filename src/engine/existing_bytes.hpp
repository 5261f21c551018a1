#pragma once

#include "base/bytes.hpp"
#include "format/content.hpp"
#include "repo/key_chain.hpp"

#include <cstdint>
#include <functional>

namespace backstay::core
{

/// Whether bytes that lie somewhere already are what a snapshot's content says, item by item. One
/// thread at a time.
class ExistingBytes
{
public:
    /// As a file is read: less than asked for only at its end.
    using Read = std::function<std::size_t(std::uint64_t offset, MutableByteSpan buffer)>;
    /// Where data begin next, as far as that is known: from `offset` up to there are zeros, or the
    /// end, which whoever asks knows.
    using NextData = std::function<std::uint64_t(std::uint64_t offset)>;
    ExistingBytes(const KeyChain& keys, Read read, NextData next_data = {})
        : keys_(keys), read_(std::move(read)), next_data_(std::move(next_data))
    {
    }

    bool equals(std::uint64_t offset, const ContentItem& item);
    /// What equals() read of an item that is no hole.
    ByteSpan last_chunk() const { return buffer_; }

private:
    bool chunk_equals(std::uint64_t offset, const ContentItem& item);
    bool hole_equals(std::uint64_t offset, std::uint64_t length);

    const KeyChain& keys_;
    Read read_;
    NextData next_data_;
    Bytes buffer_;
};

} // namespace backstay::core
