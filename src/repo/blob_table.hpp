#pragma once

#include "base/bytes.hpp"

#include <array>
#include <mutex>
#include <vector>

namespace backstay::core
{

/// A set of blob ids: open addressing, 16 bytes a slot. Ids are keyed hashes, so that their first
/// 16 bytes tell them apart as well as all of them would. Thread-safe.
class BlobTable
{
public:
    /// False if it is in already.
    bool insert(const BlobId& id);
    bool contains(const BlobId& id) const;
    std::size_t size() const;

private:
    using Slot = std::array<std::uint64_t, 2>;
    static Slot slot_of(const BlobId& id);
    std::size_t find(const Slot& slot) const; ///< its place, or the free one where it belongs
    void grow();
    mutable std::mutex mutex_; // guards the two below
    std::vector<Slot> slots_;  ///< all zero: free
    std::size_t used_ = 0;
};

} // namespace backstay::core
