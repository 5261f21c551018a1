#pragma once

#include "store/object_store.hpp"

#include <memory>

namespace backstay::core
{

/// How often and how long {unavailable} is tried again. The pause doubles from `first_pause` to
/// `longest_pause`, each drawn evenly from zero to that ("full jitter"), but is never shorter than
/// what the store asks for. After a complaint of too many requests it begins with
/// `throttled_pause`.
struct RetryPolicy {
    int attempts = 8;
    double first_pause = 0.2;     ///< seconds
    double throttled_pause = 1.0; ///< seconds
    double longest_pause = 20.0;  ///< seconds
    double deadline = 180.0;      ///< seconds from the first failure, after which none begins,
    int least_attempts = 3;       ///< beyond these: one may take long on a slow line
    /// What all operations together may spend: a retry takes `retry_cost`, or `throttled_cost`, and
    /// an operation that succeeds gives back what its retries took, or one. So a store that is down
    /// is not asked by everybody as often as by one. AWS's own programs have 500 and take 14 and 5:
    /// with eight connections that would end a backup some seconds after its server went away.
    double budget = 1000.0;
    double retry_cost = 5.0;
    double throttled_cost = 2.0;
};

/// What time is it, and how to let it pass: for real, or as a test likes.
struct Waiting {
    std::function<double()> now; ///< seconds
    /// Throws Error{cancelled} soon after a stop.
    std::function<void(double seconds, const std::stop_token&)> pause;
};
Waiting real_waiting();

/// The one place where anything is retried, and where a host's wishes for rate and concurrency are
/// kept. Wraps every store, ours and hosts'. A create that is tried again and meets its own bytes
/// has succeeded. A store that complains of too many requests (TransientError) gets half as many at
/// once, and more by and by. What is given up says how often it was tried. Thread-safe.
class RetryingStore : public ObjectStore
{
public:
    struct Limits {
        std::uint64_t upload_bytes_per_second = 0;   ///< 0: none
        std::uint64_t download_bytes_per_second = 0; ///< 0: none
        std::uint32_t concurrency = 0;               ///< 0: none
    };

    /// Called, on whatever thread works, with what a store that goes on failing says, at most every
    /// ten seconds.
    using Tell = std::function<void(const std::string& message)>;

    RetryingStore(std::shared_ptr<ObjectStore> inner, RetryPolicy policy, Limits limits,
                  Waiting waiting = real_waiting(), Tell tell = {});
    ~RetryingStore() override;

    /// Attempts beyond the first, of all operations.
    std::uint64_t retries() const;
    /// The inner store's, with the retries made here.
    std::optional<StoreTraffic> traffic() const override;

    StoreDescription describe(const std::stop_token& stop) override;
    void probe(const std::stop_token& stop) override;
    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) override;
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override;
    Bytes read(const std::string& key, std::uint64_t limit, const std::stop_token& stop) override;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override;
    void create(const std::string& key, const AlignedBuffer& object,
                const std::stop_token& stop) override;
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

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
