#pragma once

#include "base/error.hpp"
#include "store/memory_store.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace backstay::core
{

/// A store in memory, some of whose packs lie in an archive.
class ArchiveStore : public MemoryStore
{
public:
    StoreDescription describe(const std::stop_token& stop) override
    {
        StoreDescription description = MemoryStore::describe(stop);
        description.archives_objects = true;
        return description;
    }

    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override
    {
        demand_ready(key);
        return MemoryStore::get(key, offset, buffer, stop);
    }

    Readiness readiness(const std::string& key, const std::stop_token& stop) override
    {
        if (!MemoryStore::stat(key, stop)) {
            throw Error(ErrorCode::not_found, "there is no such object", key);
        }
        const std::lock_guard lock(mutex_);
        ++looks;
        return state_of(key);
    }

    Readiness thaw(const std::string& key, const ThawWish& wish,
                   const std::stop_token& /*stop*/) override
    {
        const std::lock_guard lock(mutex_);
        if (failures > 0) {
            --failures;
            throw Error(ErrorCode::unavailable, "the test's fault", key);
        }
        const Readiness found = state_of(key);
        if (found == Readiness::archived) {
            asked.push_back(key);
            last_wish = wish;
            states_[key] = Readiness::thawing;
            return Readiness::thawing;
        }
        return found;
    }

    void archive(const std::string& key) { set(key, Readiness::archived); }
    /// What was asked for is there.
    void give_out()
    {
        const std::lock_guard lock(mutex_);
        for (auto& [key, state] : states_) {
            state = state == Readiness::thawing ? Readiness::ready : state;
        }
    }

    std::vector<std::string> asked; ///< for, in this order
    ThawWish last_wish;
    int failures = 0; ///< of the next requests
    int looks = 0;

private:
    void set(const std::string& key, Readiness state)
    {
        const std::lock_guard lock(mutex_);
        states_[key] = state;
    }
    Readiness state_of(const std::string& key) const
    {
        const auto found = states_.find(key);
        return found == states_.end() ? Readiness::ready : found->second;
    }
    void demand_ready(const std::string& key)
    {
        const std::lock_guard lock(mutex_);
        if (state_of(key) != Readiness::ready) {
            throw Error(ErrorCode::denied, "it lies in the archive", key);
        }
    }

    std::mutex mutex_; // guards all that is written above
    std::map<std::string, Readiness> states_;
};

} // namespace backstay::core
