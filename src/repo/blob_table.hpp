#pragma once

#include "base/bytes.hpp"

#include <mutex>
#include <vector>

namespace backstay::core
{

/// A set of blob ids: open addressing, 32 bytes an id. Thread-safe.
class BlobTable
{
public:
    /// False if it is in already.
    bool insert(const BlobId& id);
    bool contains(const BlobId& id) const;
    std::size_t size() const;

private:
    std::size_t find(const BlobId& id) const; ///< its place, or the free one where it belongs
    void grow();
    mutable std::mutex mutex_;  // guards the two below
    std::vector<BlobId> slots_; ///< all zero: free
    std::size_t used_ = 0;
};

} // namespace backstay::core
