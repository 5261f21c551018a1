#pragma once

#include "store/object_store.hpp"
#include "store/s3_request_sender.hpp"

#include <atomic>
#include <span>

namespace backstay::core
{

/// Removes objects from a bucket: one by DELETE, many by DeleteObjects, a thousand at a time, with
/// the Content-MD5 that servers want; one by one where the server does not know that, which is
/// found out once. Thread-safe.
class S3Remover
{
public:
    /// `sender` must outlive the remover.
    explicit S3Remover(S3RequestSender& sender) : sender_(sender) {}

    void remove(const std::string& key, const std::stop_token& stop);

    /// As ObjectStore::remove_all().
    std::vector<RefusedRemoval> remove_all(std::span<const std::string> keys,
                                           const std::stop_token& stop);

private:
    bool remove_batch(std::span<const std::string> keys, std::vector<RefusedRemoval>& refused,
                      const std::stop_token& stop);
    void remove_singly(std::span<const std::string> keys, std::vector<RefusedRemoval>& refused,
                       const std::stop_token& stop);

    S3RequestSender& sender_;
    std::atomic<bool> singly_ = false;
};

} // namespace backstay::core
