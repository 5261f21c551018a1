#include "store/s3_multipart.hpp"

#include "codec/hash.hpp"
#include "store/http_url.hpp"
#include "store/retrying_store.hpp"
#include "store/s3_listing.hpp"
#include "store/transient_error.hpp"
#include "store/xml_document.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t most_parts = 10'000;
// So that one lost packet does not cost the parts before; the whole is tried again further up.
constexpr int attempts = 3;
constexpr double pause_between = 0.5;

} // namespace

std::uint64_t s3_part_size(std::uint64_t size, std::uint64_t usual)
{
    const std::uint64_t least = (size + most_parts - 1) / most_parts;
    return std::max(usual, (least + MiB - 1) / MiB * MiB);
}

S3Multipart::S3Multipart(S3RequestSender& sender, std::string key, std::size_t parts,
                         HeaderList headers, bool md5, const std::stop_token& stop)
    : sender_(sender), key_(std::move(key)), md5_(md5), etags_(parts), farewell_(stop)
{
    S3Request begin;
    begin.operation = "begin to store the object";
    begin.method = "POST";
    begin.key = key_;
    begin.query = "uploads=";
    begin.headers = std::move(headers);
    begin.headers.emplace_back("Content-Type", "application/octet-stream");
    upload_ = parse_upload_id(sender_.demand(begin, stop).body);
}

S3Multipart::~S3Multipart()
{
    if (over_) {
        return;
    }
    S3Request abort;
    abort.operation = "abort the upload of the object";
    abort.method = "DELETE";
    abort.key = key_;
    abort.query = query();
    try {
        sender_.send(abort, farewell_.begin());
    } catch (const std::exception&) {
        return; // the failure that led here is told; the bucket's lifecycle rule takes the rest
    }
}

std::string S3Multipart::query(const std::string& rest) const
{
    return rest + "uploadId=" + percent_encode(upload_);
}

S3Multipart::Outcome S3Multipart::send(const S3Request& request, const std::stop_token& stop)
{
    const Waiting waiting = real_waiting();
    for (int attempt = 1;; ++attempt) {
        try {
            S3Reply reply = sender_.send(request, stop);
            const bool again = reply.failure && is_retried(reply.failure->kind);
            if (!again || attempt == attempts) {
                return {std::move(reply), attempt};
            }
        } catch (const TransientError&) {
            if (attempt == attempts) {
                throw;
            }
        }
        waiting.pause(pause_between * attempt, stop);
    }
}

void S3Multipart::send_part(std::size_t at, ByteSpan part, const std::stop_token& stop)
{
    S3Request request;
    request.operation = fmt::format("store part {} of the object", at + 1);
    request.method = "PUT";
    request.key = key_;
    request.query = query(fmt::format("partNumber={}&", at + 1));
    request.body = part;
    if (md5_) {
        request.headers.emplace_back("Content-MD5", to_base64(md5(part)));
    }
    const S3Reply reply = send(request, stop).reply;
    if (reply.failure) {
        sender_.refuse(request, *reply.failure);
    }
    const auto etag = reply.http.header("etag");
    if (!etag || etag->empty()) {
        throw Error(ErrorCode::storage,
                    "the server gave no ETag for a part, so the object cannot be put together",
                    key_);
    }
    etags_.at(at) = *etag;
}

std::string S3Multipart::part_list() const
{
    std::string list =
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (std::size_t i = 0; i < etags_.size(); ++i) {
        list += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1,
                            xml_escaped(etags_[i]));
    }
    return list + "</CompleteMultipartUpload>";
}

S3Reply S3Multipart::complete(const HeaderList& conditions, const std::stop_token& stop)
{
    const std::string list = part_list();
    S3Request request;
    request.operation = "put together the object";
    request.method = "POST";
    request.key = key_;
    request.query = query();
    request.headers = conditions;
    request.headers.emplace_back("Content-Type", "application/xml");
    request.body = as_bytes(list);
    Outcome outcome = send(request, stop);
    const bool unclear = outcome.attempts > 1 && (outcome.reply.is(S3FailureKind::taken) ||
                                                  outcome.reply.is(S3FailureKind::no_upload));
    if (unclear) {
        throw TransientError(TransientError::Cause::lost, std::nullopt,
                             "the answer to the end of an upload was lost", key_);
    }
    over_ = outcome.reply.ok();
    return std::move(outcome.reply);
}

} // namespace backstay::core
