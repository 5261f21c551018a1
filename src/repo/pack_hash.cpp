#include "repo/pack_hash.hpp"

namespace backstay::core
{

void PackHash::begin(ByteSpan header)
{
    hash_ = std::make_unique<Sha256>();
    hash_->update(header);
    hashed_ = header.size();
}

void PackHash::add(const std::uint8_t* pack, std::size_t offset, std::size_t size)
{
    std::unique_lock lock(mutex_);
    ready_[offset] = size;
    if (is_busy_) {
        return;
    }
    is_busy_ = true;
    for (auto next = ready_.find(hashed_); next != ready_.end(); next = ready_.find(hashed_)) {
        const ByteSpan piece(pack + hashed_, next->second);
        ready_.erase(next);
        lock.unlock();
        hash_->update(piece);
        lock.lock();
        hashed_ += piece.size();
    }
    is_busy_ = false;
}

PackId PackHash::finish(ByteSpan pack)
{
    hash_->update(pack.subspan(hashed_));
    return PackId::from(hash_->finish());
}

} // namespace backstay::core
