#include "store/s3_remover.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "codec/hash.hpp"
#include "store/s3_listing.hpp"
#include "store/xml_document.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_batch = 1000; // AWS's limit

std::string batch_body(const std::string& prefix, std::span<const std::string> keys)
{
    std::string body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    const std::string escaped = xml_escaped(prefix);
    for (const std::string& key : keys) {
        body += fmt::format("<Object><Key>{}{}</Key></Object>", escaped, key);
    }
    return body + "<Quiet>true</Quiet></Delete>";
}

} // namespace

void S3Remover::remove(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (!is_object_key(key)) {
        return;
    }
    S3Request request;
    request.operation = "remove the object";
    request.method = "DELETE";
    request.key = key;
    const S3Reply reply = sender_.send(request, stop);
    if (!reply.ok() && !reply.is(S3FailureKind::no_object)) {
        sender_.refuse(request, *reply.failure);
    }
}

std::vector<RefusedRemoval> S3Remover::remove_all(std::span<const std::string> keys,
                                                  const std::stop_token& stop)
{
    throw_if_stopped(stop);
    std::vector<RefusedRemoval> refused;
    while (!keys.empty()) {
        const auto batch = keys.first(std::min(keys.size(), largest_batch));
        if (batch.size() == 1 || singly_ || !remove_batch(batch, refused, stop)) {
            remove_singly(batch, refused, stop);
        }
        keys = keys.subspan(batch.size());
    }
    return refused;
}

bool S3Remover::remove_batch(std::span<const std::string> keys,
                             std::vector<RefusedRemoval>& refused, const std::stop_token& stop)
{
    const std::string body = batch_body(sender_.prefix(), keys);
    S3Request request;
    request.operation = "remove objects";
    request.method = "POST";
    request.query = "delete=";
    request.headers = {{"Content-Type", "application/xml"},
                       {"Content-MD5", to_base64(md5(as_bytes(body)))}};
    request.body = as_bytes(body);
    const S3Reply reply = sender_.send(request, stop);
    if (reply.is(S3FailureKind::unsupported)) {
        singly_ = true;
        return false;
    }
    if (!reply.ok()) {
        sender_.refuse(request, *reply.failure);
    }
    for (const S3DeleteFailure& failed : parse_delete_result(reply.http.body)) {
        S3Failure failure;
        failure.status = reply.http.status;
        failure.code = failed.code;
        failure.message = failed.message;
        failure.kind = s3_kind_of_code(failed.code);
        const bool ours = failed.key.starts_with(sender_.prefix());
        request.key = ours ? failed.key.substr(sender_.prefix().size()) : failed.key;
        if (failure.kind == S3FailureKind::denied) {
            refused.push_back({request.key, failed.code + ": " + failed.message});
        } else if (failure.kind != S3FailureKind::no_object) {
            sender_.refuse(request, failure); // removing again what is gone does no harm
        }
    }
    return true;
}

void S3Remover::remove_singly(std::span<const std::string> keys,
                              std::vector<RefusedRemoval>& refused, const std::stop_token& stop)
{
    for (const std::string& key : keys) {
        try {
            remove(key, stop);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::denied) {
                throw;
            }
            refused.push_back({key, error.what()});
        }
    }
}

} // namespace backstay::core
