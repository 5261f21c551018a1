#pragma once

#include "codec/compression.hpp"
#include "repo/blob_index.hpp"

#include <map>

namespace backstay::core
{

/// Turns a frame's stored bytes into plain ones, keeping ciphers of recent key records. One thread
/// at a time: give each worker its own.
class FrameOpener
{
public:
    explicit FrameOpener(const KeyChain& keys);
    /// False if the bytes are not that frame (damaged). `plain`: frame.plain_size bytes. Throws
    /// Error{denied} if the role may not.
    bool open(const IndexedFrame& frame, ByteSpan stored, MutableByteSpan plain);

private:
    const KeyChain& keys_;
    Decompressor decompressor_;
    Bytes opened_;
    std::map<std::pair<KeyClass, KeyRecord>, Cipher> ciphers_; // at most some dozens; the oldest go
};

} // namespace backstay::core
