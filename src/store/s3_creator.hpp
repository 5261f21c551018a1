#pragma once

#include "base/bytes.hpp"
#include "store/adaptive_gate.hpp"
#include "store/s3_locks.hpp"
#include "store/s3_multipart.hpp"
#include "store/s3_request_sender.hpp"

#include <atomic>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// What a bucket makes of "create this if it is not there".
enum class CreateIfAbsent {
    untried,
    honoured,
    ignored, ///< it replaces the object without a word
    refused, ///< it does not know the condition
};

/// Creates objects in a bucket, and finds out whether it creates them exclusively. Thread-safe.
class S3Creator
{
public:
    /// `sender` and `locks` must outlive the creator.
    S3Creator(S3RequestSender& sender, S3Locks& locks, const S3Options& options);

    /// Of storage: the bucket's own, or (for large objects) the one in the options.
    enum class Class { standard, cold };
    /// As ObjectStore::create() and create_cold().
    void create(const std::string& key, ByteSpan object, Class storage,
                const std::stop_token& stop);

    /// Creates one name twice, then lets several race for another; removes both, unless the user
    /// may not. Throws Error if the trial itself fails.
    void probe(const std::stop_token& stop);

    CreateIfAbsent create_if_absent() const { return create_if_absent_; }

private:
    S3Reply put(const std::string& key, ByteSpan object, const HeaderList& headers,
                bool conditional, const std::stop_token& stop);
    S3Reply put_in_parts(const std::string& key, ByteSpan object, const HeaderList& headers,
                         bool conditional, const std::stop_token& stop);
    void send_part(S3Multipart& upload, std::size_t at, ByteSpan part, const std::stop_token& stop);
    S3Reply send_object(const std::string& key, ByteSpan object, Class storage, bool conditional,
                        const std::stop_token& stop);
    S3Reply send(S3Request& request, const std::stop_token& stop);
    HeaderList headers_of(const std::string& key, ByteSpan object, Class storage) const;
    void demand_absent(const std::string& key, std::size_t size, const std::stop_token& stop);
    /// On an object that was sent in parts.
    void demand_lock(const std::string& key, const std::stop_token& stop);
    bool is_there(const std::string& key, const std::stop_token& stop);

    CreateIfAbsent try_twice(const std::string& key, const std::stop_token& stop);
    bool one_wins(const std::string& key, const std::stop_token& stop);
    bool holds(const std::string& key, std::string_view bytes, const std::stop_token& stop);

    S3RequestSender& sender_;
    S3Locks& locks_;
    const HeaderList headers_;      ///< of every object
    const HeaderList cold_headers_; ///< of large ones in the cold class, too
    const std::uint64_t largest_single_put_;
    const std::uint64_t usual_part_;
    const std::uint32_t connections_;
    AdaptiveGate parts_;                  ///< of all uploads together
    std::atomic<bool> wants_md5_ = false; ///< as AWS does in buckets with Object Lock
    std::atomic<CreateIfAbsent> create_if_absent_ = CreateIfAbsent::untried;
};

} // namespace backstay::core
