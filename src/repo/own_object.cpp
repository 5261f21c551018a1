#include "repo/own_object.hpp"

#include "base/error.hpp"

namespace backstay::core
{

namespace
{

/// False if the key is taken.
bool create_absent(ObjectStore& store, const std::string& key, ByteSpan object,
                   const std::stop_token& stop)
{
    try {
        store.create(key, object, stop);
        return true;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::exists) {
            throw;
        }
        return false;
    }
}

bool stands_there(ObjectStore& store, const std::string& key, ByteSpan object,
                  const std::stop_token& stop)
{
    try {
        const auto info = store.stat(key, stop);
        return info && info->size == object.size() &&
               equal(get_object(store, key, object.size(), stop), object);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) {
            throw;
        }
        return false;
    }
}

} // namespace

bool create_own(ObjectStore& store, const std::string& key, ByteSpan object,
                const std::stop_token& stop)
{
    bool created = false;
    try {
        created = create_absent(store, key, object, stop);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::unavailable) {
            throw;
        }
        created = create_absent(store, key, object, stop);
    }
    return created || stands_there(store, key, object, stop);
}

} // namespace backstay::core
