#pragma once

#include "base/error.hpp"
#include "store/object_store.hpp"

#include <atomic>
#include <memory>

namespace backstay::core
{

/// Passes everything on to another store and fails from the n-th operation on, before it is done or
/// after (the answer lost). Thread-safe.
class FaultyStore : public ObjectStore
{
private:
    template <typename Operation>
    auto run(Operation&& operation)
    {
        const std::uint64_t number = ++count_;
        const bool fails = number == nth_ || (number > nth_ && how_ == How::ever_after);
        failed_ = failed_ || fails;
        if (fails && when_ == When::before) {
            throw Error(code_, "the test's fault");
        }
        auto result = operation();
        if (fails) {
            throw Error(code_, "the test's fault, after it was done");
        }
        return result;
    }

public:
    enum class When { before, after };
    enum class How { once, ever_after };

    FaultyStore(std::shared_ptr<ObjectStore> below, std::uint64_t nth, When when, How how,
                ErrorCode code)
        : below_(std::move(below)), nth_(nth), when_(when), how_(how), code_(code)
    {
    }

    /// Whether the n-th operation was reached.
    bool failed() const { return failed_; }

    StoreDescription describe(const std::stop_token& stop) override
    {
        return below_->describe(stop);
    }
    void probe(const std::stop_token& stop) override { below_->probe(stop); }
    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) override
    {
        return run([&] { return below_->stat(key, stop); });
    }
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override
    {
        return run([&] { return below_->get(key, offset, buffer, stop); });
    }
    using ObjectStore::create;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override
    {
        run([&] {
            below_->create(key, object, stop);
            return 0;
        });
    }
    void remove(const std::string& key, const std::stop_token& stop) override
    {
        run([&] {
            below_->remove(key, stop);
            return 0;
        });
    }
    void list(const std::string& prefix, Freshness freshness,
              const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop) override
    {
        run([&] {
            below_->list(prefix, freshness, each, stop);
            return 0;
        });
    }

private:
    std::shared_ptr<ObjectStore> below_;
    std::uint64_t nth_;
    When when_;
    How how_;
    ErrorCode code_;
    std::atomic<std::uint64_t> count_{0};
    std::atomic<bool> failed_{false};
};

} // namespace backstay::core
