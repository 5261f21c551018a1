#include "store/object_store.hpp"

#include "base/error.hpp"

#include <fmt/core.h>

namespace backstay::core
{

std::vector<RefusedRemoval> ObjectStore::remove_all(std::span<const std::string> keys,
                                                    const std::stop_token& stop)
{
    std::vector<RefusedRemoval> refused;
    for (const std::string& key : keys) {
        try {
            remove(key, stop);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::denied) {
                throw;
            }
            refused.push_back({key, error.what()});
        }
    }
    return refused;
}

void ObjectStore::list_all(std::span<const std::string> prefixes, Freshness freshness,
                           const std::function<void(const ObjectInfo&)>& each,
                           const std::stop_token& stop)
{
    for (const std::string& prefix : prefixes) {
        list(prefix, freshness, each, stop);
    }
}

Bytes ObjectStore::read(const std::string& key, std::uint64_t limit, const std::stop_token& stop)
{
    const std::optional<ObjectInfo> info = stat(key, stop);
    if (!info) {
        throw Error(ErrorCode::not_found, "there is no such object", key);
    }
    demand_size(key, info->size, limit);
    Bytes bytes(static_cast<std::size_t>(info->size));
    bytes.resize(get(key, 0, bytes, stop));
    return bytes;
}

Bytes get_object(ObjectStore& store, const std::string& key, std::uint64_t limit,
                 const std::stop_token& stop)
{
    return store.read(key, limit, stop);
}

void demand_size(const std::string& key, std::uint64_t size, std::uint64_t limit)
{
    if (size > limit) {
        throw Error(
            ErrorCode::damaged,
            fmt::format("the object has {} bytes, more than the {} that one of its kind can have",
                        size, limit),
            key);
    }
}

bool is_object_key(std::string_view key)
{
    constexpr std::size_t longest_key = 512;
    constexpr std::size_t longest_part = 255;
    if (key.size() > longest_key || key == "tmp" || key.starts_with("tmp/")) {
        return false;
    }
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789/._-";
    if (key.find_first_not_of(allowed) != std::string_view::npos) {
        return false;
    }
    while (true) {
        const std::size_t slash = key.find('/');
        const std::string_view part = key.substr(0, slash);
        if (part.empty() || part == "." || part == ".." || part.size() > longest_part) {
            return false;
        }
        if (slash == std::string_view::npos) {
            return true;
        }
        key.remove_prefix(slash + 1);
    }
}

} // namespace backstay::core
