#include "net/transfer.hpp"

#include "base/clock.hpp"
#include "net/curl_failure.hpp"
#include "net/curl_settings.hpp"
#include "net/http_log.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

namespace
{

// Several of libcurl's pieces (16 KiB), so that neither side waits for the other at every one.
constexpr std::size_t pipe_capacity = 256 * KiB;

Transfer& transfer(void* self)
{
    return *static_cast<Transfer*>(self);
}

double seconds(std::chrono::milliseconds time)
{
    return std::chrono::duration<double>(time).count();
}

bool is_safe(const std::string& method)
{
    return method == "GET" || method == "HEAD";
}

} // namespace

Transfer::Transfer(const HttpRequest& request, const HttpClientOptions& options, CURLSH* share,
                   Limiters limiters)
    : request_(request), options_(options), limiters_(limiters),
      stall_(request.stall.value_or(options.stall)), started_(monotonic_seconds()),
      head_(options.header_bytes, options.header_count), stall_since_(started_), checked_(started_),
      up_(request.body_source != nullptr ? pipe_capacity : 0),
      down_(request.reply_sink != nullptr ? pipe_capacity : 0)
{
    check_request(request);
    headers_ = apply_settings(easy_, options, request);
    easy_.set(CURLOPT_SHARE, share);
    easy_.set(CURLOPT_ERRORBUFFER, detail_.data());
    easy_.set(CURLOPT_PRIVATE, static_cast<void*>(this));
    easy_.set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    easy_.set(CURLOPT_HEADERDATA, static_cast<void*>(this));
    easy_.set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    easy_.set(CURLOPT_WRITEDATA, static_cast<void*>(this));
    easy_.set(CURLOPT_READFUNCTION, &Transfer::on_read);
    easy_.set(CURLOPT_READDATA, static_cast<void*>(this));
    easy_.set(CURLOPT_SEEKFUNCTION, &Transfer::on_seek);
    easy_.set(CURLOPT_SEEKDATA, static_cast<void*>(this));
    easy_.set(CURLOPT_PREREQFUNCTION, &Transfer::on_send);
    easy_.set(CURLOPT_PREREQDATA, static_cast<void*>(this));
}

// ---- the asking thread

HttpReply Transfer::run(const std::function<void()>& resume, const std::function<void()>& abort)
{
    std::unique_lock lock(mutex_);
    const auto await_end = [&] { changed_.wait(lock, [this] { return done_; }); };
    try {
        while (!done_ || (sink_has_bytes() && !error_)) {
            if (sink_has_bytes()) {
                drain_sink(lock, resume);
            } else if (source_has_room()) {
                feed_source(lock, resume);
            } else {
                changed_.wait(lock,
                              [this] { return done_ || sink_has_bytes() || source_has_room(); });
            }
        }
    } catch (...) {
        // The event thread must let go of everything first.
        if (!lock.owns_lock()) {
            lock.lock();
        }
        if (!done_) {
            lock.unlock();
            abort();
            lock.lock();
            await_end();
        }
        throw;
    }
    if (error_) {
        // No copy stays here: this object may be destroyed by the event thread.
        std::rethrow_exception(std::exchange(error_, nullptr));
    }
    reply_.seconds = monotonic_seconds() - started_;
    return reply_;
}

bool Transfer::source_has_room() const
{
    return !done_ && request_.body_source != nullptr && !source_ended_ && up_.room() > 0;
}

bool Transfer::sink_has_bytes() const
{
    return request_.reply_sink != nullptr && head_ready_ && (!sink_began_ || down_.size() > 0);
}

void Transfer::feed_source(std::unique_lock<std::mutex>& lock, const std::function<void()>& resume)
{
    MutableByteSpan room = up_.free_region();
    const auto size = request_.body_source->size();
    lock.unlock();
    if (size) {
        room = room.first(
            static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), *size - source_given_)));
    }
    const std::size_t got = room.empty() ? 0 : request_.body_source->read(room);
    if (got > room.size()) {
        throw Error(ErrorCode::internal, "the source of a body gave more than was asked for");
    }
    if (got == 0 && size && source_given_ < *size) {
        throw Error(ErrorCode::source,
                    fmt::format("the body ended after {} bytes of the {} that were announced",
                                source_given_, *size),
                    masked_url(request_.url));
    }
    lock.lock();
    up_.commit(got);
    source_given_ += got;
    source_ended_ = got == 0;
    lock.unlock();
    resume();
    lock.lock();
}

void Transfer::drain_sink(std::unique_lock<std::mutex>& lock, const std::function<void()>& resume)
{
    if (!sink_began_) {
        sink_began_ = true;
        HttpReply head;
        head.status = head_.status();
        head.headers = head_.headers();
        lock.unlock();
        request_.reply_sink->begin(head);
        lock.lock();
        return;
    }
    const ByteSpan bytes = down_.filled_region();
    lock.unlock();
    request_.reply_sink->write(bytes);
    lock.lock();
    down_.consume(bytes.size());
    lock.unlock();
    resume();
    lock.lock();
}

// ---- callbacks, on the event thread: nothing may be thrown through libcurl

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self)
{
    Transfer& me = transfer(self);
    try {
        me.take_header({data, size * count});
    } catch (...) {
        me.failure_ = std::current_exception();
    }
    return me.failure_ ? 0 : size * count;
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self)
{
    Transfer& me = transfer(self);
    try {
        return me.take_body({reinterpret_cast<const std::uint8_t*>(data), size * count});
    } catch (...) {
        me.failure_ = std::current_exception();
        return CURL_WRITEFUNC_ERROR;
    }
}

std::size_t Transfer::on_read(char* buffer, std::size_t size, std::size_t count, void* self)
{
    return transfer(self).give_body({reinterpret_cast<std::uint8_t*>(buffer), size * count});
}

int Transfer::on_seek(void* self, curl_off_t offset, int origin)
{
    Transfer& me = transfer(self);
    if (origin != SEEK_SET || offset < 0) {
        return CURL_SEEKFUNC_FAIL;
    }
    const auto to = static_cast<std::uint64_t>(offset);
    if (me.request_.body_source != nullptr) {
        return to == me.source_taken_ ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
    }
    if (to > me.request_.body.size()) {
        return CURL_SEEKFUNC_FAIL;
    }
    me.body_position_ = static_cast<std::size_t>(to);
    return CURL_SEEKFUNC_OK;
}

int Transfer::on_send(void* self, char* remote, char* /*local*/, int /*remote_port*/,
                      int /*local_port*/)
{
    Transfer& me = transfer(self);
    try {
        if (me.sends_ > 0 && !me.may_send_again()) {
            me.fail(HttpFailure::connection_lost, ErrorCode::unavailable,
                    "the server closed a kept connection before it replied");
            return CURL_PREREQFUNC_ABORT;
        }
        me.reply_.remote_address = remote == nullptr ? "" : remote;
    } catch (...) {
        me.failure_ = std::current_exception();
        return CURL_PREREQFUNC_ABORT;
    }
    // libcurl 7.88 forgets to rewind when the very first piece of a body found the kept connection
    // dead, and would go on behind that piece.
    me.body_position_ = 0;
    ++me.sends_;
    return CURL_PREREQFUNC_OK;
}

bool Transfer::may_send_again() const
{
    if (request_.body_source != nullptr && source_taken_ > 0) {
        return false;
    }
    return head_.status() == 417 || request_.repeatable || is_safe(request_.method);
}

void Transfer::take_header(std::string_view line)
{
    const bool was_complete = head_.complete();
    const std::string wrong = head_.take(line);
    if (!wrong.empty()) {
        fail(HttpFailure::protocol, ErrorCode::storage, wrong);
        return;
    }
    if (was_complete && !head_.complete()) { // another head takes the place of the first
        reply_.body.clear();
        reply_.body_size = 0;
    }
    if (head_.complete() && head_.status() / 100 == 2 && request_.reply_sink != nullptr) {
        const std::lock_guard lock(mutex_);
        if (!head_ready_) {
            head_ready_ = true;
            changed_.notify_all();
        }
    }
}

std::size_t Transfer::take_body(ByteSpan bytes)
{
    if (limiters_.download.available(monotonic_seconds()) == 0) {
        hold(recv_wait_, Wait::bandwidth);
        return CURL_WRITEFUNC_PAUSE;
    }
    const bool good = head_.status() / 100 == 2;
    if (good && request_.reply_sink != nullptr) {
        const std::lock_guard lock(mutex_);
        if (down_.room() < bytes.size()) {
            hold(recv_wait_, Wait::peer);
            return CURL_WRITEFUNC_PAUSE;
        }
        down_.write(bytes);
        changed_.notify_all();
    } else if (!(good && request_.reply_buffer ? fits_buffer(bytes) : keep_body(bytes))) {
        return CURL_WRITEFUNC_ERROR;
    }
    limiters_.download.take(bytes.size());
    reply_.body_size += bytes.size();
    return bytes.size();
}

bool Transfer::fits_buffer(ByteSpan bytes)
{
    const MutableByteSpan buffer = *request_.reply_buffer;
    if (bytes.size() > buffer.size() - reply_.body_size) {
        fail(HttpFailure::too_large, ErrorCode::storage,
             fmt::format("the server sends more than the {} bytes asked for", buffer.size()));
        return false;
    }
    std::copy(bytes.begin(), bytes.end(),
              buffer.begin() + static_cast<std::ptrdiff_t>(reply_.body_size));
    return true;
}

bool Transfer::keep_body(ByteSpan bytes)
{
    const std::size_t room = request_.reply_limit - reply_.body.size();
    reply_.body.append(as_text(bytes.first(std::min(room, bytes.size()))));
    if (bytes.size() <= room) {
        return true;
    }
    if (head_.status() / 100 == 2) {
        fail(HttpFailure::too_large, ErrorCode::storage,
             fmt::format("the server's reply is larger than {} bytes", request_.reply_limit));
    } else {
        reply_.body_cut = true;
    }
    return false;
}

std::size_t Transfer::give_body(MutableByteSpan buffer)
{
    const std::size_t allowed = limiters_.upload.available(monotonic_seconds());
    if (allowed == 0) {
        hold(send_wait_, Wait::bandwidth);
        return CURL_READFUNC_PAUSE;
    }
    buffer = buffer.first(std::min(buffer.size(), allowed));
    if (request_.body_source != nullptr) {
        return give_from_source(buffer);
    }
    const ByteSpan rest = request_.body.subspan(body_position_);
    const std::size_t size = std::min(buffer.size(), rest.size());
    std::copy_n(rest.begin(), size, buffer.begin());
    body_position_ += size;
    limiters_.upload.take(size);
    return size;
}

std::size_t Transfer::give_from_source(MutableByteSpan buffer)
{
    const std::lock_guard lock(mutex_);
    if (up_.size() == 0 && !source_ended_) {
        hold(send_wait_, Wait::peer);
        return CURL_READFUNC_PAUSE;
    }
    const ByteSpan rest = up_.filled_region();
    const std::size_t size = std::min(buffer.size(), rest.size());
    std::copy_n(rest.begin(), size, buffer.begin());
    up_.consume(size);
    source_taken_ += size;
    limiters_.upload.take(size);
    changed_.notify_all();
    return size;
}

// ---- the rest of the event thread's side

std::optional<HttpFailure> Transfer::overdue(double now)
{
    if (request_.deadline.count() > 0 && now - started_ >= seconds(request_.deadline)) {
        return HttpFailure::timeout;
    }
    const double passed = now - std::exchange(checked_, now);
    if (stall_.time.count() <= 0 || sends_ == 0) {
        stall_since_ = now; // connecting has a timeout of its own
        return std::nullopt;
    }
    const bool waits = recv_wait_ != Wait::none || send_wait_ != Wait::none;
    if (std::exchange(held_, waits) || waits) {
        stall_since_ += passed;
        return std::nullopt;
    }
    const auto moved = static_cast<std::uint64_t>(easy_.info<curl_off_t>(CURLINFO_SIZE_UPLOAD_T) +
                                                  easy_.info<long>(CURLINFO_HEADER_SIZE)) +
                       reply_.body_size;
    const double enough = static_cast<double>(stall_.bytes_per_second) * seconds(stall_.time);
    if (static_cast<double>(moved - std::min(moved, stall_bytes_)) >= std::max(enough, 1.0)) {
        stall_bytes_ = moved;
        stall_since_ = now;
    }
    return now - stall_since_ >= seconds(stall_.time) ? std::optional(HttpFailure::stalled)
                                                      : std::nullopt;
}

void Transfer::hold(Wait& side, Wait why)
{
    side = why;
    held_ = true;
}

CURLcode Transfer::resume()
{
    const double now = monotonic_seconds();
    const Wait recv_before = recv_wait_;
    const Wait send_before = send_wait_;
    if (recv_wait_ == Wait::peer) {
        const std::lock_guard lock(mutex_);
        recv_wait_ = down_.room() >= CURL_MAX_WRITE_SIZE ? Wait::none : Wait::peer;
    } else if (recv_wait_ == Wait::bandwidth && limiters_.download.available(now) > 0) {
        recv_wait_ = Wait::none;
    }
    if (send_wait_ == Wait::peer) {
        const std::lock_guard lock(mutex_);
        send_wait_ = up_.size() > 0 || source_ended_ ? Wait::none : Wait::peer;
    } else if (send_wait_ == Wait::bandwidth && limiters_.upload.available(now) > 0) {
        send_wait_ = Wait::none;
    }
    if (recv_wait_ == recv_before && send_wait_ == send_before) {
        return CURLE_OK;
    }
    // Calls back at once with what it held, and may be held again.
    return curl_easy_pause(easy_.get(), (recv_wait_ != Wait::none ? CURLPAUSE_RECV : 0) |
                                            (send_wait_ != Wait::none ? CURLPAUSE_SEND : 0));
}

void Transfer::fail(HttpFailure failure, ErrorCode code, std::string message)
{
    failure_ = std::make_exception_ptr(
        HttpError(failure, sends_ == 0 ? Delivery::nothing_sent : Delivery::maybe_sent, code,
                  std::move(message), masked_url(request_.url)));
}

void Transfer::collect()
{
    reply_.status = head_.status();
    reply_.headers = head_.headers();
    reply_.bytes_sent = static_cast<std::uint64_t>(easy_.info<curl_off_t>(CURLINFO_SIZE_UPLOAD_T));
    opened_connection_ = easy_.info<long>(CURLINFO_NUM_CONNECTS) > 0;
    reply_.kept_connection = !opened_connection_ && sends_ > 0;
    reply_.seconds = monotonic_seconds() - started_;
}

void Transfer::finish(CURLcode code)
{
    collect();
    if (code == CURLE_OK && !head_.complete()) {
        fail(HttpFailure::connection_lost, ErrorCode::unavailable,
             "the connection was lost before the head of the reply was whole");
    }
    if (failure_ || code == CURLE_OK || reply_.body_cut) {
        publish(std::exchange(failure_, nullptr));
        return;
    }
    CurlFailure failure;
    failure.code = code;
    failure.detail = detail_.data();
    failure.verify_result = easy_.info<long>(CURLINFO_SSL_VERIFYRESULT);
    failure.delivery = sends_ == 0 ? Delivery::nothing_sent : Delivery::maybe_sent;
    failure.has_head = head_.complete();
    // Made before it is published: a temporary would share its text with the asking thread.
    std::exception_ptr error =
        std::make_exception_ptr(http_error(failure, masked_url(request_.url)));
    publish(std::move(error));
}

void Transfer::finish(HttpFailure failure)
{
    collect();
    switch (failure) {
    case HttpFailure::cancelled:
        fail(failure, ErrorCode::cancelled, "cancelled");
        break;
    case HttpFailure::stalled:
        fail(failure, ErrorCode::unavailable,
             fmt::format("the connection stalled: fewer than {} bytes a second for {} s",
                         stall_.bytes_per_second, seconds(stall_.time)));
        break;
    default:
        fail(failure, ErrorCode::unavailable,
             fmt::format("the server took longer than {} s", seconds(request_.deadline)));
        break;
    }
    publish(std::exchange(failure_, nullptr));
}

void Transfer::finish(std::exception_ptr error)
{
    collect();
    publish(std::move(error));
}

void Transfer::publish(std::exception_ptr error)
{
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
    done_ = true;
    changed_.notify_all();
}

} // namespace backstay::core
