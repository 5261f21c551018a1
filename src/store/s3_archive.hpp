#pragma once

#include "store/object_store.hpp"
#include "store/s3_object_reader.hpp"
#include "store/s3_request_sender.hpp"

#include <string>

namespace backstay::core
{

/// Objects in the archive classes of storage (Glacier Flexible Retrieval, Deep Archive, the archive
/// tiers of Intelligent-Tiering): whether they can be read, and having them given out.
/// Thread-safe.
class S3Archive
{
public:
    /// Both must outlive it.
    S3Archive(S3RequestSender& sender, const S3ObjectReader& reader)
        : sender_(sender), reader_(reader)
    {
    }

    /// As ObjectStore::readiness().
    Readiness readiness(const std::string& key, const std::stop_token& stop) const;
    /// As ObjectStore::thaw().
    Readiness thaw(const std::string& key, const ThawWish& wish, const std::stop_token& stop) const;

private:
    HttpReply demand_head(const std::string& key, const std::stop_token& stop) const;

    S3RequestSender& sender_;
    const S3ObjectReader& reader_;
};

} // namespace backstay::core
