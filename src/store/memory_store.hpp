#pragma once

#include "store/object_store.hpp"

#include <map>
#include <mutex>

namespace backstay::core
{

/// Objects in memory: for tests and for hosts that want a repository without a disk. Thread-safe.
class MemoryStore : public ObjectStore
{
public:
    StoreDescription describe(const std::stop_token& stop) override;
    void probe(const std::stop_token& stop) override;
    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) override;
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override;
    using ObjectStore::create;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override;
    void remove(const std::string& key, const std::stop_token& stop) override;
    void list(const std::string& prefix, Freshness freshness,
              const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop) override;

private:
    struct Object {
        Bytes bytes;
        Timestamp modified;
    };
    std::mutex mutex_; // guards objects_
    std::map<std::string, Object> objects_;
};

} // namespace backstay::core
