#pragma once

#include "store/object_store.hpp"
#include "store/s3_request_sender.hpp"

#include <atomic>
#include <functional>
#include <span>

namespace backstay::core
{

/// Lists a bucket page by page: ListObjectsV2, or ListObjects where the server knows no better,
/// which is found out once. Thread-safe.
class S3Lister
{
public:
    /// `sender` must outlive the lister.
    explicit S3Lister(S3RequestSender& sender) : sender_(sender) {}

    /// As ObjectStore::list(). Throws Error{storage} for a list that does not advance: a token that
    /// comes twice, keys out of order, a hundred empty pages in a row.
    void list(const std::string& prefix, const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop);

    /// As ObjectStore::list_all(): what the first page of their common beginning does not tell
    /// whole is listed by itself.
    void list_all(std::span<const std::string> prefixes,
                  const std::function<void(const ObjectInfo&)>& each, const std::stop_token& stop);

private:
    S3RequestSender& sender_;
    std::atomic<bool> old_protocol_ = false;
};

} // namespace backstay::core
