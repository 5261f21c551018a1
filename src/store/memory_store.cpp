#include "store/memory_store.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"

#include <algorithm>

namespace backstay::core
{

StoreDescription MemoryStore::describe(const std::stop_token& stop)
{
    throw_if_stopped(stop);
    StoreDescription description;
    description.uri = "memory:";
    description.kind = "memory";
    description.exclusive_create = true;
    return description;
}

void MemoryStore::probe(const std::stop_token& stop)
{
    throw_if_stopped(stop);
}

std::optional<ObjectInfo> MemoryStore::stat(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    return found == objects_.end()
               ? std::nullopt
               : std::optional(ObjectInfo{key, found->second.bytes.size(), found->second.modified});
}

std::size_t MemoryStore::get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                             const std::stop_token& stop)
{
    throw_if_stopped(stop);
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) {
        throw Error(ErrorCode::not_found, "there is no such object", key);
    }
    const Bytes& bytes = found->second.bytes;
    const std::size_t begin =
        static_cast<std::size_t>(std::min<std::uint64_t>(offset, bytes.size()));
    const std::size_t size = std::min(buffer.size(), bytes.size() - begin);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin), size, buffer.begin());
    return size;
}

void MemoryStore::create(const std::string& key, ByteSpan object, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (!is_object_key(key)) {
        throw Error(ErrorCode::invalid, "this is no name for an object", key);
    }
    const std::lock_guard lock(mutex_);
    const bool created =
        objects_.try_emplace(key, Object{Bytes(object.begin(), object.end()), system_clock().now()})
            .second;
    if (!created) {
        throw Error(ErrorCode::exists, "the object is there already", key);
    }
}

void MemoryStore::remove(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    const std::lock_guard lock(mutex_);
    objects_.erase(key);
}

void MemoryStore::list(const std::string& prefix, Freshness,
                       const std::function<void(const ObjectInfo&)>& each,
                       const std::stop_token& stop)
{
    throw_if_stopped(stop);
    std::vector<ObjectInfo> found; // a copy: `each` may come back to the store
    {
        const std::lock_guard lock(mutex_);
        for (auto at = objects_.lower_bound(prefix);
             at != objects_.end() && at->first.starts_with(prefix); ++at) {
            found.push_back({at->first, at->second.bytes.size(), at->second.modified});
        }
    }
    for (const ObjectInfo& object : found) {
        throw_if_stopped(stop);
        each(object);
    }
}

} // namespace backstay::core
