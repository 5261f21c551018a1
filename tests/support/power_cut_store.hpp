#pragma once

#include "base/error.hpp"
#include "store/memory_store.hpp"
#include "support/seeded_bytes.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace backstay::core
{

/// A store in memory whose power goes in the middle of its n-th change (a create or a remove);
/// every operation after that fails. What a create has returned for is durable, and nothing else:
/// the change in progress may have been lost or not, and whatever was removed since the start may
/// be back, each object for itself, for nobody promises when a remove is durable. Thread-safe.
class PowerCutStore : public ObjectStore
{
public:
    /// What became of all that was not durable.
    enum class Fate { undone, done, mixed };

    PowerCutStore(std::shared_ptr<MemoryStore> disk, std::uint64_t nth)
        : disk_(std::move(disk)), nth_(nth)
    {
    }

    /// Whether the n-th change was reached.
    bool was_cut()
    {
        const std::lock_guard lock(mutex_);
        return cut_;
    }

    /// What is found when the power is back; `seed` is for Fate::mixed. Once.
    std::shared_ptr<MemoryStore> power_on(Fate fate, std::uint64_t seed)
    {
        const std::lock_guard lock(mutex_);
        SeededNumbers numbers(seed);
        const auto comes_true = [&] {
            return fate == Fate::done || (fate == Fate::mixed && numbers.below(2) == 0);
        };
        for (const auto& [key, bytes] : removed_) {
            if (!comes_true() && !disk_->stat(key, {})) {
                disk_->create(key, bytes, {});
            }
        }
        for (const auto& [key, bytes] : in_progress_) {
            if (comes_true() && !disk_->stat(key, {})) {
                disk_->create(key, bytes, {});
            }
        }
        return disk_;
    }

    StoreDescription describe(const std::stop_token& stop) override
    {
        const std::lock_guard lock(mutex_);
        need_power();
        return disk_->describe(stop);
    }
    void probe(const std::stop_token& stop) override
    {
        const std::lock_guard lock(mutex_);
        need_power();
        disk_->probe(stop);
    }
    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) override
    {
        const std::lock_guard lock(mutex_);
        need_power();
        return disk_->stat(key, stop);
    }
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override
    {
        const std::lock_guard lock(mutex_);
        need_power();
        return disk_->get(key, offset, buffer, stop);
    }
    using ObjectStore::create;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override
    {
        const std::lock_guard lock(mutex_);
        need_power();
        if (++changes_ == nth_) {
            in_progress_[key] = Bytes(object.begin(), object.end());
            cut();
        }
        disk_->create(key, object, stop);
    }
    void remove(const std::string& key, const std::stop_token& stop) override
    {
        const std::lock_guard lock(mutex_);
        need_power();
        if (const auto info = disk_->stat(key, stop)) {
            removed_[key] = get_object(*disk_, key, info->size, stop);
            disk_->remove(key, stop);
        }
        if (++changes_ == nth_) {
            cut();
        }
    }
    void list(const std::string& prefix, Freshness freshness,
              const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop) override
    {
        {
            const std::lock_guard lock(mutex_);
            need_power();
        }
        disk_->list(prefix, freshness, each, stop); // `each` may come back to the store
    }

private:
    void need_power() const
    {
        if (cut_) {
            throw Error(ErrorCode::storage, "the power is off");
        }
    }
    [[noreturn]] void cut()
    {
        cut_ = true;
        throw Error(ErrorCode::storage, "the power went");
    }

    std::shared_ptr<MemoryStore> disk_;
    const std::uint64_t nth_;
    std::mutex mutex_; // guards the rest
    std::uint64_t changes_ = 0;
    bool cut_ = false;
    std::map<std::string, Bytes> removed_;
    std::map<std::string, Bytes> in_progress_;
};

} // namespace backstay::core
