#include "repo/blob_table.hpp"

namespace backstay::core
{

std::size_t BlobTable::find(const BlobId& id) const
{
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = IdHash{}(id)&mask;
    while (slots_[at] != BlobId{} && slots_[at] != id) {
        at = (at + 1) & mask;
    }
    return at;
}

bool BlobTable::insert(const BlobId& id)
{
    const std::lock_guard lock(mutex_);
    if (used_ * 4 >= slots_.size() * 3) {
        grow();
    }
    const std::size_t at = find(id);
    if (slots_[at] == id) {
        return false;
    }
    slots_[at] = id;
    ++used_;
    return true;
}

void BlobTable::grow()
{
    constexpr std::size_t first_size = 1024;
    std::vector<BlobId> old(slots_.empty() ? first_size : slots_.size() * 2);
    old.swap(slots_);
    for (const BlobId& id : old) {
        if (id != BlobId{}) {
            slots_[find(id)] = id;
        }
    }
}

bool BlobTable::contains(const BlobId& id) const
{
    const std::lock_guard lock(mutex_);
    return !slots_.empty() && slots_[find(id)] == id;
}

std::size_t BlobTable::size() const
{
    const std::lock_guard lock(mutex_);
    return used_;
}

} // namespace backstay::core
