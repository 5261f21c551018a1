#include "repo/blob_table.hpp"

#include <cstring>

namespace backstay::core
{

/// Never all zero, which marks a free slot.
BlobTable::Slot BlobTable::slot_of(const BlobId& id)
{
    Slot slot{};
    std::memcpy(slot.data(), id.bytes.data(), sizeof slot);
    slot[1] |= slot == Slot{} ? 1 : 0;
    return slot;
}

std::size_t BlobTable::find(const Slot& slot) const
{
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>(slot[0]) & mask;
    while (slots_[at] != Slot{} && slots_[at] != slot) {
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
    const Slot slot = slot_of(id);
    const std::size_t at = find(slot);
    if (slots_[at] == slot) {
        return false;
    }
    slots_[at] = slot;
    ++used_;
    return true;
}

void BlobTable::grow()
{
    constexpr std::size_t first_size = 1024;
    std::vector<Slot> old(slots_.empty() ? first_size : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
        if (slot != Slot{}) {
            slots_[find(slot)] = slot;
        }
    }
}

bool BlobTable::contains(const BlobId& id) const
{
    const std::lock_guard lock(mutex_);
    const Slot slot = slot_of(id);
    return !slots_.empty() && slots_[find(slot)] == slot;
}

std::size_t BlobTable::size() const
{
    const std::lock_guard lock(mutex_);
    return used_;
}

} // namespace backstay::core
