#pragma once

#include "store/object_store.hpp"
#include "store/s3_request_sender.hpp"

#include <memory>

namespace backstay::core
{

/// Objects in a bucket of Amazon S3, or of whatever speaks its protocol, below a prefix.
///
/// create(): a PUT with "If-None-Match: *", signed over the SHA-256 of the bytes, so that the
/// server refuses what was altered on the way; above 128 MiB in parts, which are aborted on
/// failure. A server that refuses the condition (501) is asked by HEAD first. Whether it is
/// honoured is known after probe(), which tries it on this very bucket. A key that ends in 64
/// hexadecimal digits is taken for the hash of its object until the server says otherwise.
///
/// Every operation is one attempt; whoever wraps it tries again (RetryingStore). Thread-safe.
class S3Store : public ObjectStore
{
public:
    /// Sends nothing yet. Throws Error{invalid, unsupported} for settings that cannot be.
    S3Store(const std::string& uri, const S3Options& options);
    ~S3Store() override;

    StoreDescription describe(const std::stop_token& stop) override;
    void probe(const std::stop_token& stop) override;
    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) override;
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override;
    Bytes read(const std::string& key, std::uint64_t limit, const std::stop_token& stop) override;
    using ObjectStore::create;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override;
    void create_cold(const std::string& key, ByteSpan object, const std::stop_token& stop) override;
    void create_cold(const std::string& key, const AlignedBuffer& object,
                     const std::stop_token& stop) override;
    void remove(const std::string& key, const std::stop_token& stop) override;
    LockReport keep_locks(std::span<const ObjectInfo> objects, LockUpkeep upkeep,
                          const std::stop_token& stop) override;
    Readiness readiness(const std::string& key, const std::stop_token& stop) override;
    Readiness thaw(const std::string& key, const ThawWish& wish,
                   const std::stop_token& stop) override;
    std::vector<RefusedRemoval> remove_all(std::span<const std::string> keys,
                                           const std::stop_token& stop) override;
    void list(const std::string& prefix, Freshness freshness,
              const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop) override;
    void list_all(std::span<const std::string> prefixes, Freshness freshness,
                  const std::function<void(const ObjectInfo&)>& each,
                  const std::stop_token& stop) override;

    std::optional<StoreTraffic> traffic() const override;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
