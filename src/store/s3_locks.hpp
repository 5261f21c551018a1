#pragma once

#include "store/object_store.hpp"
#include "store/s3_options.hpp"
#include "store/s3_request_sender.hpp"

#include <span>

namespace backstay::core
{

/// Object Lock: what is put on objects, and how it is renewed. Thread-safe.
class S3Locks
{
public:
    /// `sender` must outlive it.
    S3Locks(S3RequestSender& sender, const S3Options& options);

    bool wanted() const { return !mode_.empty(); }
    /// The headers that lock an object from its creation on.
    void add_to(HeaderList& headers) const;

    /// Some servers pass over these headers where an object comes in parts: then it is locked now.
    void demand_on(const std::string& key, const std::stop_token& stop);

    /// As ObjectStore::keep_locks(). Objects younger than half of the time are passed over.
    LockReport keep(std::span<const ObjectInfo> objects, LockUpkeep upkeep,
                    const std::stop_token& stop);

private:
    bool ends_soon(const std::string& key, const std::stop_token& stop);
    void renew(const std::string& key, const std::stop_token& stop);
    Timestamp now_and(std::int64_t seconds) const;

    S3RequestSender& sender_;
    const std::string mode_;
    const std::int64_t seconds_;
    const std::uint32_t connections_;
    const Clock& clock_;
};

} // namespace backstay::core
