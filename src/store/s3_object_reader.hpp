#pragma once

#include "store/object_store.hpp"
#include "store/s3_request_sender.hpp"
#include "store/s3_versions.hpp"

namespace backstay::core
{

/// stat() and get() of an object in a bucket: what comes must be what was asked for.
///
/// A get of more than 32 MiB is several requests, all of which must meet the same version of the
/// object (ETag). Thread-safe.
class S3ObjectReader
{
public:
    /// `sender` must outlive the reader, and so must `versions`, if objects are to be read as they
    /// are there.
    explicit S3ObjectReader(S3RequestSender& sender, S3Versions* versions = nullptr)
        : sender_(sender), versions_(versions)
    {
    }

    std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) const;
    /// The reply to HEAD; empty if there is no such object.
    std::optional<HttpReply> head(const std::string& key, const std::stop_token& stop) const;

    /// Throws Error{not_found}, {storage} for a server that sends another part, {unavailable} if
    /// the object was replaced meanwhile.
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) const;

    /// As ObjectStore::read(): a small object is one request.
    Bytes read(const std::string& key, std::uint64_t limit, const std::stop_token& stop) const;

    /// What picks the version that is read, in a query; empty if there is no such object.
    std::optional<std::string> query_of(const std::string& key, const std::stop_token& stop) const;

private:
    std::string demand_query_of(const std::string& key, const std::stop_token& stop) const;

    S3RequestSender& sender_;
    S3Versions* versions_;
};

} // namespace backstay::core
