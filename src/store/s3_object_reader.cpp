#include "store/s3_object_reader.hpp"

#include "base/error.hpp"
#include "store/http_url.hpp"
#include "store/transient_error.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t largest_piece = 32 * MiB;
constexpr std::uint64_t first_piece = 128 * KiB; // most objects that are read whole are smaller
constexpr std::uint64_t beyond_any_object = std::uint64_t{1} << 60U;

std::optional<std::uint64_t> number_in(std::string_view text)
{
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, failed] = std::from_chars(text.data(), end, value);
    return failed == std::errc() && stop == end && !text.empty() ? std::optional(value)
                                                                 : std::nullopt;
}

/// "bytes 0-9/100".
struct ContentRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t total = 0;
};

std::optional<ContentRange> parse_content_range(std::string_view text)
{
    constexpr std::string_view unit = "bytes ";
    const std::size_t dash = text.find('-');
    const std::size_t slash = text.find('/');
    if (!text.starts_with(unit) || dash == std::string_view::npos ||
        slash == std::string_view::npos || slash < dash) {
        return std::nullopt;
    }
    const auto first = number_in(text.substr(unit.size(), dash - unit.size()));
    const auto last = number_in(text.substr(dash + 1, slash - dash - 1));
    const auto total = number_in(text.substr(slash + 1));
    if (!first || !last || !total || *last < *first || *last >= *total) {
        return std::nullopt;
    }
    return ContentRange{*first, *last, *total};
}

/// One get, over all of its pieces.
class Download
{
public:
    Download(S3RequestSender& sender, const std::string& key, std::string query)
        : sender_(sender), key_(key), query_(std::move(query))
    {
    }

    /// How much came; less than asked for only at the object's end.
    std::size_t fetch(std::uint64_t offset, MutableByteSpan buffer, const std::stop_token& stop)
    {
        S3Request request;
        request.operation = "get the object";
        request.key = key_;
        request.query = query_;
        request.headers.emplace_back(
            "Range", fmt::format("bytes={}-{}", offset, offset + buffer.size() - 1));
        if (!etag_.empty()) {
            request.headers.emplace_back("If-Match", etag_);
        }
        request.reply_buffer = buffer;
        const S3Reply reply = sender_.send(request, stop);
        if (reply.is(S3FailureKind::bad_range)) {
            return 0;
        }
        if (reply.is(S3FailureKind::no_object)) {
            throw Error(ErrorCode::not_found, "there is no such object", key_);
        }
        if (reply.is(S3FailureKind::taken)) { // what If-Match says when it does not
            throw_changed();
        }
        if (!reply.ok()) {
            sender_.refuse(request, *reply.failure);
        }
        check(reply.http, offset, buffer.size());
        return static_cast<std::size_t>(reply.http.body_size);
    }

    /// The whole object's size, once something of it came.
    std::uint64_t total() const { return total_; }

private:
    void check(const HttpReply& reply, std::uint64_t offset, std::size_t wanted)
    {
        check_version(reply);
        if (reply.status == 200 && offset == 0) {
            total_ = reply.body_size;
            return; // it knows no ranges, and the whole fits into the buffer
        }
        const auto range = parse_content_range(reply.header("content-range").value_or(""));
        if (reply.status != 206 || !range) {
            wrong(fmt::format("it answers a get of a part with status {} and no such part",
                              reply.status));
        }
        const std::uint64_t end = std::min<std::uint64_t>(offset + wanted, range->total);
        if (range->first != offset || range->last + 1 != end ||
            range->last - range->first + 1 != reply.body_size) {
            wrong(fmt::format("of bytes {} to {} it sent {} bytes as {}", offset,
                              offset + wanted - 1, reply.body_size,
                              reply.header("content-range").value_or("")));
        }
        total_ = range->total;
    }

    void check_version(const HttpReply& reply)
    {
        const std::string etag(reply.header("etag").value_or(""));
        if (!etag_.empty() && etag != etag_) {
            throw_changed();
        }
        // Weak ones never match, and some servers leave it out.
        etag_ = etag.starts_with('"') ? etag : std::string();
    }

    [[noreturn]] void throw_changed() const
    {
        throw TransientError(TransientError::Cause::lost, std::nullopt,
                             "the object was replaced while it was read", key_);
    }

    [[noreturn]] void wrong(const std::string& what) const
    {
        throw Error(ErrorCode::storage, "the server sends another part than asked for: " + what,
                    key_);
    }

    S3RequestSender& sender_;
    const std::string& key_;
    const std::string query_;
    std::string etag_;
    std::uint64_t total_ = 0;
};

bool keeps_its_reason(const S3Reply& reply)
{
    return reply.failure && reply.failure->code.empty() &&
           reply.failure->kind != S3FailureKind::no_object && !is_retried(reply.failure->kind);
}

/// A reply to HEAD has no body that says why it refuses: a get of nothing much does. Comes back if
/// that is not refused, or no longer.
void demand_reason(S3RequestSender& sender, const S3Request& head, const std::stop_token& stop)
{
    S3Request question = head;
    question.method = "GET";
    question.headers.emplace_back("Range", "bytes=0-0");
    const S3Reply reply = sender.send(question, stop);
    const bool answers =
        reply.ok() || reply.is(S3FailureKind::bad_range) || reply.is(S3FailureKind::no_object);
    if (!answers) {
        sender.refuse(head, *reply.failure);
    }
}

} // namespace

std::optional<HttpReply> S3ObjectReader::head(const std::string& key,
                                              const std::stop_token& stop) const
{
    const auto query = query_of(key, stop);
    if (!query) {
        return std::nullopt;
    }
    S3Request request;
    request.operation = "look at the object";
    request.method = "HEAD";
    request.key = key;
    request.query = *query;
    S3Reply reply = sender_.send(request, stop);
    if (keeps_its_reason(reply)) {
        demand_reason(sender_, request, stop);
        reply = sender_.send(request, stop);
    }
    if (reply.is(S3FailureKind::no_object)) {
        return std::nullopt;
    }
    if (!reply.ok()) {
        sender_.refuse(request, *reply.failure);
    }
    return std::move(reply.http);
}

std::optional<ObjectInfo> S3ObjectReader::stat(const std::string& key,
                                               const std::stop_token& stop) const
{
    const std::optional<HttpReply> reply = head(key, stop);
    if (!reply) {
        return std::nullopt;
    }
    const auto size = number_in(reply->header("content-length").value_or(""));
    if (!size) {
        throw Error(ErrorCode::storage, "the server does not say how large the object is", key);
    }
    const auto modified = parse_http_date(reply->header("last-modified").value_or(""));
    return ObjectInfo{key, *size, modified.value_or(Timestamp{})};
}

std::size_t S3ObjectReader::get(const std::string& key, std::uint64_t offset,
                                MutableByteSpan buffer, const std::stop_token& stop) const
{
    if (buffer.empty() || offset >= beyond_any_object) {
        if (!stat(key, stop)) {
            throw Error(ErrorCode::not_found, "there is no such object", key);
        }
        return 0;
    }
    Download download(sender_, key, demand_query_of(key, stop));
    std::size_t got = 0;
    while (got < buffer.size()) {
        const std::size_t size =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size() - got, largest_piece));
        const std::size_t came = download.fetch(offset + got, buffer.subspan(got, size), stop);
        got += came;
        if (came < size) {
            break;
        }
    }
    return got;
}

Bytes S3ObjectReader::read(const std::string& key, std::uint64_t limit,
                           const std::stop_token& stop) const
{
    Download download(sender_, key, demand_query_of(key, stop));
    // Never nothing: one byte too many is a reply, too.
    Bytes bytes(static_cast<std::size_t>(std::clamp<std::uint64_t>(limit, 1, first_piece)));
    std::size_t got = download.fetch(0, bytes, stop);
    demand_size(key, download.total(), limit);
    bytes.resize(static_cast<std::size_t>(download.total()));
    while (got < bytes.size()) {
        const MutableByteSpan rest = MutableByteSpan(bytes).subspan(got);
        const std::size_t came = download.fetch(
            got, rest.first(std::min<std::size_t>(rest.size(), largest_piece)), stop);
        if (came == 0) { // cut since, by a server that gives no ETag
            throw Error(ErrorCode::storage, "the object became shorter while it was read", key);
        }
        got += came;
    }
    return bytes;
}

std::optional<std::string> S3ObjectReader::query_of(const std::string& key,
                                                    const std::stop_token& stop) const
{
    if (versions_ == nullptr || !versions_->covers(key)) {
        return std::string();
    }
    const auto version = versions_->find(key, stop);
    return version ? std::optional("versionId=" + percent_encode(*version)) : std::nullopt;
}

std::string S3ObjectReader::demand_query_of(const std::string& key,
                                            const std::stop_token& stop) const
{
    auto query = query_of(key, stop);
    if (!query) {
        throw Error(ErrorCode::not_found, "there is no such object", key);
    }
    return *std::move(query);
}

} // namespace backstay::core
