#pragma once

#include "codec/hash.hpp"

#include <map>
#include <memory>
#include <mutex>

namespace backstay::core
{

/// The name of a pack that several threads fill side by side, computed meanwhile: each piece is
/// hashed by whoever wrote it, or is hashing just then, as soon as all before it are there; so it
/// is still in that processor's cache, and nobody has to hash a whole pack at its end. add() is
/// thread-safe; begin() comes before it, finish() after all of it.
class PackHash
{
public:
    void begin(ByteSpan header);
    /// What lies in `pack` at `offset` is final. Pieces may come in any order.
    void add(const std::uint8_t* pack, std::size_t offset, std::size_t size);
    /// Requires: all of `pack` but its end has been added, without a gap.
    PackId finish(ByteSpan pack);

private:
    std::mutex mutex_; // guards all below
    std::unique_ptr<Sha256> hash_;
    std::size_t hashed_ = 0;
    std::map<std::size_t, std::size_t> ready_; ///< sizes by offset
    bool is_busy_ = false;                     ///< a thread hashes
};

} // namespace backstay::core
