#pragma once

#include "base/error.hpp"
#include "repo/repository.hpp"
#include "store/memory_store.hpp"
#include "support/fake_clock.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// A key file's bytes: unlike a passphrase it costs no time to open with.
inline Credentials sample_key(std::string_view bytes = "a key file of thirty-two bytes..")
{
    Credentials credentials;
    credentials.key_file = Secret::copy_of(as_bytes(bytes));
    return credentials;
}

inline std::shared_ptr<Repository> init_sample(const std::shared_ptr<ObjectStore>& store,
                                               const OpenOptions& open = {})
{
    return Repository::init(store, {}, sample_key(), open, {});
}

inline std::shared_ptr<Repository> open_sample(const std::shared_ptr<ObjectStore>& store,
                                               const OpenOptions& open = {})
{
    return Repository::open(store, sample_key(), open, {});
}

/// A repository in memory with a clock that stands still.
struct SampleRepository {
    std::shared_ptr<ObjectStore> store = std::make_shared<MemoryStore>();
    FakeClock clock;
    std::shared_ptr<Repository> repository = init_sample(store, {"", &clock});
};

inline std::vector<std::string> keys_of(ObjectStore& store, const std::string& prefix)
{
    std::vector<std::string> keys;
    store.list(prefix, Freshness::fresh,
               [&keys](const ObjectInfo& info) { keys.push_back(info.key); }, {});
    return keys;
}

/// Everything a store holds, so that a test can put it into another, whole or altered.
inline std::map<std::string, Bytes> contents_of(ObjectStore& store)
{
    std::map<std::string, Bytes> contents;
    for (const std::string& key : keys_of(store, "")) {
        contents[key] = get_object(store, key, GiB, {});
    }
    return contents;
}

inline std::shared_ptr<MemoryStore> store_of(const std::map<std::string, Bytes>& contents)
{
    auto store = std::make_shared<MemoryStore>();
    for (const auto& [key, bytes] : contents) {
        store->create(key, bytes, {});
    }
    return store;
}

/// The error that `body` throws; empty if it throws none.
inline std::optional<Error> error_of(const std::function<void()>& body)
{
    try {
        body();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

/// "" if it throws nothing.
inline std::string error_name_of(const std::function<void()>& body)
{
    const auto error = error_of(body);
    return error ? error_code_name(error->code()) : "";
}

} // namespace backstay::core
