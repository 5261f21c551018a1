#pragma once

#include "store/object_store.hpp"
#include "store/s3_options.hpp"
#include "store/s3_request_sender.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace backstay::core
{

/// The objects of a bucket with versions as they are behind what deleted or replaced them: of each
/// key the oldest or the newest version that is an object. For getting back what somebody hid.
/// Thread-safe.
class S3Versions
{
public:
    /// `sender` must outlive it. Requires: options.versions is not S3VersionChoice::current.
    S3Versions(S3RequestSender& sender, const S3Options& options);

    /// Whether a key is looked at so; others are as they are now.
    bool covers(const std::string& key) const;

    /// As ObjectStore::list().
    void list(const std::string& prefix, const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop);

    /// The version's id; empty if there is no such object.
    std::optional<std::string> find(const std::string& key, const std::stop_token& stop);

private:
    class Listing;

    S3RequestSender& sender_;
    const S3VersionChoice choice_;
    const std::vector<std::string> left_out_;
    std::mutex mutex_; // guards known_
    std::map<std::string, std::string> known_;
};

} // namespace backstay::core
