#pragma once

#include "base/farewell.hpp"
#include "store/s3_request_sender.hpp"

#include <functional>
#include <string>
#include <vector>

namespace backstay::core
{

/// One multipart upload. What was not completed is aborted when it goes; what even that could not
/// reach stays in the bucket until somebody tidies up. One thread at a time, but for send_part().
class S3Multipart
{
public:
    /// Begins one of `parts` parts. `headers` are the object's; with `md5` each part says its MD5.
    /// Throws as S3RequestSender::demand().
    S3Multipart(S3RequestSender& sender, std::string key, std::size_t parts, HeaderList headers,
                bool md5, const std::stop_token& stop);
    ~S3Multipart();
    S3Multipart(const S3Multipart&) = delete;
    S3Multipart& operator=(const S3Multipart&) = delete;

    /// Sends the part that stands at `at`, counted from 0: at least 5 MiB unless it is the last.
    /// One that was lost is sent again, some times. Thread-safe for different parts.
    void send_part(std::size_t at, ByteSpan part, const std::stop_token& stop);

    /// Makes the parts, all of which were sent, an object. A refusal is a value: the object is then
    /// not there, unless it was before. Throws TransientError, too, if an answer was lost and the
    /// next one leaves open whose object is there.
    S3Reply complete(const HeaderList& conditions, const std::stop_token& stop);

private:
    struct Outcome {
        S3Reply reply;
        int attempts;
    };
    Outcome send(const S3Request& request, const std::stop_token& stop);
    std::string query(const std::string& rest = {}) const;
    std::string part_list() const;

    S3RequestSender& sender_;
    const std::string key_;
    const bool md5_;
    std::string upload_;
    std::vector<std::string> etags_;
    bool over_ = false;
    Farewell farewell_;
};

/// The size of the parts, all but the last alike, for an object of `size` bytes: `usual`, or
/// more where there would be more parts than S3 takes.
std::uint64_t s3_part_size(std::uint64_t size, std::uint64_t usual);

} // namespace backstay::core
