#pragma once

#include "store/object_store.hpp"

#include <memory>

namespace backstay::core
{

/// How often and how long {unavailable} is tried again. The pause doubles from `first_pause` to
/// `longest_pause`, each drawn evenly from zero to that ("full jitter").
struct RetryPolicy {
    int attempts = 8;
    double first_pause = 0.2;    ///< seconds
    double longest_pause = 20.0; ///< seconds
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
/// has succeeded. Thread-safe.
class RetryingStore : public ObjectStore
{
public:
    struct Limits {
        std::uint64_t upload_bytes_per_second = 0;   ///< 0: none
        std::uint64_t download_bytes_per_second = 0; ///< 0: none
        std::uint32_t concurrency = 0;               ///< 0: none
    };

    RetryingStore(std::shared_ptr<ObjectStore> inner, RetryPolicy policy, Limits limits,
                  Waiting waiting = real_waiting());
    ~RetryingStore() override;

    StoreDescription describe(const std::stop_token& stop) override;
    void probe(const std::stop_token& stop) override;
    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) override;
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override;
    void create(const std::string& key, const AlignedBuffer& object,
                const std::stop_token& stop) override;
    void remove(const std::string& key, const std::stop_token& stop) override;
    void list(const std::string& prefix, Freshness freshness,
              const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop) override;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
