#pragma once

#include "store/object_store.hpp"

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace backstay::core
{

/// Passes everything on to another store and lets a test in before and after each operation: to
/// fail it (throw before), to lose its answer (throw after), or to do what somebody else does
/// meanwhile. One thread at a time.
class HookedStore : public ObjectStore
{
public:
    enum class Operation { stat, get, create, remove, list };
    /// `key`: a list's prefix. Hooks do not see the operations that they start themselves.
    using Hook = std::function<void(Operation operation, const std::string& key)>;

    explicit HookedStore(std::shared_ptr<ObjectStore> below) : below_(std::move(below)) {}

    Hook before;
    Hook after;

    StoreDescription describe(const std::stop_token& stop) override
    {
        return below_->describe(stop);
    }
    void probe(const std::stop_token& stop) override { below_->probe(stop); }
    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) override
    {
        return hooked(Operation::stat, key, [&] { return below_->stat(key, stop); });
    }
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override
    {
        return hooked(Operation::get, key, [&] { return below_->get(key, offset, buffer, stop); });
    }
    using ObjectStore::create;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override
    {
        hooked(Operation::create, key, [&] {
            below_->create(key, object, stop);
            return 0;
        });
    }
    void remove(const std::string& key, const std::stop_token& stop) override
    {
        hooked(Operation::remove, key, [&] {
            below_->remove(key, stop);
            return 0;
        });
    }
    void list(const std::string& prefix, Freshness freshness,
              const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop) override
    {
        hooked(Operation::list, prefix, [&] {
            below_->list(prefix, freshness, each, stop);
            return 0;
        });
    }

private:
    template <typename Body>
    std::invoke_result_t<Body> hooked(Operation operation, const std::string& key, Body body)
    {
        call(before, operation, key);
        auto result = body();
        call(after, operation, key);
        return result;
    }
    void call(const Hook& hook, Operation operation, const std::string& key)
    {
        if (!hook || in_hook_) {
            return;
        }
        in_hook_ = true;
        try {
            const Hook kept = hook; // it may put another in its place
            kept(operation, key);
        } catch (...) {
            in_hook_ = false;
            throw;
        }
        in_hook_ = false;
    }

    std::shared_ptr<ObjectStore> below_;
    bool in_hook_ = false;
};

} // namespace backstay::core
