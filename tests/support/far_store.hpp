#pragma once

#include "store/memory_store.hpp"

#include <atomic>
#include <functional>

namespace backstay::core
{

/// In memory, but says that several requests at once pay; counts reads of packs and lets a test in
/// before each. Thread-safe.
class FarStore : public MemoryStore
{
public:
    explicit FarStore(std::uint32_t connections = 4) : connections_(connections) {}

    /// Set before anybody reads.
    std::function<void(const std::stop_token& stop)> before_read;

    StoreDescription describe(const std::stop_token& stop) override
    {
        StoreDescription description = MemoryStore::describe(stop);
        description.max_concurrency = connections_;
        return description;
    }

    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override
    {
        if (key.starts_with("packs/")) {
            ++reads_;
            bytes_ += buffer.size();
            if (before_read) {
                before_read(stop);
            }
        }
        return MemoryStore::get(key, offset, buffer, stop);
    }

    std::uint64_t reads() const { return reads_; }
    std::uint64_t bytes() const { return bytes_; }

private:
    const std::uint32_t connections_;
    std::atomic<std::uint64_t> reads_{0};
    std::atomic<std::uint64_t> bytes_{0};
};

} // namespace backstay::core
