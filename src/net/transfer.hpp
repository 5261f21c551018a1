#pragma once

#include "net/byte_pipe.hpp"
#include "net/curl_handles.hpp"
#include "net/http_client_options.hpp"
#include "net/http_error.hpp"
#include "net/http_reply.hpp"
#include "net/http_request.hpp"
#include "net/reply_head.hpp"
#include "net/token_bucket.hpp"

#include <array>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>

namespace backstay::core
{

/// One exchange, between the thread that asked for it and the event thread.
///
/// The asking thread makes it and stays in run(); from start() to finish() libcurl's side belongs
/// to the event thread, and what the request points to is used by nobody after finish().
class Transfer
{
public:
    struct Limiters {
        TokenBucket& upload;
        TokenBucket& download;
    };

    /// `request` and `options` must outlive the transfer. Throws HttpError{invalid_request}.
    Transfer(const HttpRequest& request, const HttpClientOptions& options, CURLSH* share,
             Limiters limiters);
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    // The asking thread.

    /// Feeds the source in and the sink out until finish(). `resume` tells the event thread that
    /// the other side of a pipe moved, `abort` that it must end this. Throws what source or sink
    /// threw, or why there is no reply.
    HttpReply run(const std::function<void()>& resume, const std::function<void()>& abort);
    /// As far as it came; after run().
    const HttpReply& reply() const { return reply_; }
    bool opened_connection() const { return opened_connection_; }

    // The event thread.

    CURL* handle() const { return easy_.get(); }
    /// Ends in HttpFailure::timeout or stalled, if it is time to. `now` is monotonic_seconds().
    std::optional<HttpFailure> overdue(double now);
    bool waits_for_download() const { return recv_wait_ == Wait::bandwidth; }
    bool waits_for_upload() const { return send_wait_ == Wait::bandwidth; }
    /// Goes on where bandwidth or the asking thread has made way. Not CURLE_OK: it must be ended
    /// with that.
    CURLcode resume();
    /// libcurl is done with it, and it is out of the multi handle.
    void finish(CURLcode code);
    /// The same, for a reason of our own.
    void finish(HttpFailure failure);
    void finish(std::exception_ptr error);

private:
    enum class Wait { none, bandwidth, peer };
    void hold(Wait& side, Wait why);

    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t on_read(char* buffer, std::size_t size, std::size_t count, void* self);
    static int on_seek(void* self, curl_off_t offset, int origin);
    static int on_send(void* self, char* remote, char* local, int remote_port, int local_port);

    void take_header(std::string_view line);
    std::size_t take_body(ByteSpan bytes);
    bool keep_body(ByteSpan bytes);
    bool fits_buffer(ByteSpan bytes);
    std::size_t give_body(MutableByteSpan buffer);
    std::size_t give_from_source(MutableByteSpan buffer);
    bool may_send_again() const;
    void fail(HttpFailure failure, ErrorCode code, std::string message);
    HttpError own_error(HttpFailure failure) const;
    void collect();
    void publish(std::exception_ptr error);

    void feed_source(std::unique_lock<std::mutex>& lock, const std::function<void()>& resume);
    void drain_sink(std::unique_lock<std::mutex>& lock, const std::function<void()>& resume);
    bool source_has_room() const;
    bool sink_has_bytes() const;

    const HttpRequest& request_;
    const HttpClientOptions& options_;
    const Limiters limiters_;
    const StallLimit stall_;
    const double started_;
    CurlEasy easy_;
    CurlList headers_;
    std::array<char, CURL_ERROR_SIZE> detail_{};

    // The event thread's until finish(), then the asking thread's.
    ReplyHead head_;
    HttpReply reply_;
    std::exception_ptr failure_; // what a callback broke off with
    std::size_t sends_ = 0;
    std::size_t body_position_ = 0;
    std::uint64_t source_taken_ = 0;
    Wait recv_wait_ = Wait::none;
    Wait send_wait_ = Wait::none;
    double stall_since_;
    std::uint64_t stall_bytes_ = 0;
    double checked_;
    bool held_ = false; // by us, at any time since checked_
    bool opened_connection_ = false;

    std::mutex mutex_; // guards what follows
    std::condition_variable changed_;
    BytePipe up_;
    BytePipe down_;
    bool source_ended_ = false;
    std::uint64_t source_given_ = 0;
    bool head_ready_ = false; // of a 2xx reply that goes to the sink: then head_ is constant
    bool sink_began_ = false;
    bool done_ = false;
    std::exception_ptr error_;
};

} // namespace backstay::core
