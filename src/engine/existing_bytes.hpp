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
    ExistingBytes(const KeyChain& keys, Read read) : keys_(keys), read_(std::move(read)) {}

    bool equals(std::uint64_t offset, const ContentItem& item);
    /// What equals() read of an item that is no hole.
    ByteSpan last_chunk() const { return buffer_; }

private:
    bool chunk_equals(std::uint64_t offset, const ContentItem& item);
    bool hole_equals(std::uint64_t offset, std::uint64_t length);

    const KeyChain& keys_;
    Read read_;
    Bytes buffer_;
};

} // namespace backstay::core
