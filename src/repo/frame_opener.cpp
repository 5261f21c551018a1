#include "repo/frame_opener.hpp"

namespace backstay::core
{

namespace
{

constexpr std::size_t most_ciphers = 64;

} // namespace

FrameOpener::FrameOpener(const KeyChain& keys) : keys_(keys) {}

bool FrameOpener::open(const IndexedFrame& frame, ByteSpan stored, MutableByteSpan plain)
{
    if (stored.size() != frame.stored_size || plain.size() != frame.plain_size ||
        stored.size() < seal_overhead) {
        return false;
    }
    const auto name = std::make_pair(frame.key_class, frame.key_record);
    auto found = ciphers_.find(name);
    if (found == ciphers_.end()) {
        if (ciphers_.size() >= most_ciphers) {
            ciphers_.clear();
        }
        found =
            ciphers_
                .emplace(name, Cipher(keys_.opening_key(frame.key_class, frame.key_record).span()))
                .first;
    }
    const Bytes associated =
        frame_associated_data(keys_.repository(), frame.key_class, frame.key_record, frame.nonce);
    if (frame.encoding == Encoding::raw) {
        return stored.size() == plain.size() + seal_overhead &&
               found->second.open(frame.nonce, associated, stored, plain);
    }
    opened_.resize(stored.size() - seal_overhead);
    return found->second.open(frame.nonce, associated, stored, opened_) &&
           decompressor_.decode(frame.encoding, opened_, plain);
}

} // namespace backstay::core
