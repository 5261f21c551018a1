#include "store/s3_locks.hpp"

#include "base/error.hpp"
#include "base/side_by_side.hpp"
#include "codec/hash.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <mutex>

namespace backstay::core
{

namespace
{

constexpr std::int64_t day = std::int64_t{24} * 3600;

} // namespace

S3Locks::S3Locks(S3RequestSender& sender, const S3Options& options)
    : sender_(sender), mode_(options.lock_mode), seconds_(day * options.lock_days),
      connections_(std::max(1U, options.connections)), clock_(*options.clock)
{
}

Timestamp S3Locks::now_and(std::int64_t seconds) const
{
    return {clock_.now().seconds + sender_.clock_difference() + seconds, 0};
}

void S3Locks::add_to(HeaderList& headers) const
{
    headers.emplace_back("x-amz-object-lock-mode", mode_);
    headers.emplace_back("x-amz-object-lock-retain-until-date", format_time(now_and(seconds_)));
}

void S3Locks::demand_on(const std::string& key, const std::stop_token& stop)
{
    if (ends_soon(key, stop)) {
        renew(key, stop);
    }
}

LockReport S3Locks::keep(std::span<const ObjectInfo> objects, LockUpkeep upkeep,
                         const std::stop_token& stop)
{
    LockReport report;
    std::mutex mutex; // guards report
    const Timestamp young = now_and(-seconds_ / 2);
    const auto look_at = [&](const ObjectInfo& object, const std::stop_token& stopped) {
        if (object.modified > young || !ends_soon(object.key, stopped)) {
            return;
        }
        if (upkeep == LockUpkeep::renew) {
            renew(object.key, stopped);
        }
        const std::lock_guard lock(mutex);
        ++(upkeep == LockUpkeep::renew ? report.renewed : report.ending);
    };
    side_by_side("locks", objects.size(), connections_, stop,
                 [&](std::size_t at, const std::stop_token& stopped) {
                     try {
                         look_at(objects[at], stopped);
                     } catch (const Error& error) {
                         if (error.code() != ErrorCode::denied &&
                             error.code() != ErrorCode::storage) {
                             throw;
                         }
                         const std::lock_guard lock(mutex);
                         report.refused.push_back({objects[at].key, error.what()});
                     }
                 });
    return report;
}

bool S3Locks::ends_soon(const std::string& key, const std::stop_token& stop)
{
    S3Request request;
    request.operation = "look at the lock of the object";
    request.method = "HEAD";
    request.key = key;
    const S3Reply reply = sender_.send(request, stop);
    if (reply.is(S3FailureKind::no_object)) {
        return false; // gone since
    }
    if (!reply.ok()) {
        sender_.refuse(request, *reply.failure);
    }
    const auto until =
        parse_time(reply.http.header("x-amz-object-lock-retain-until-date").value_or(""));
    return !until || *until < now_and(seconds_ / 2);
}

void S3Locks::renew(const std::string& key, const std::stop_token& stop)
{
    const std::string body =
        fmt::format("<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>"
                    "<RetainUntilDate>{}</RetainUntilDate></Retention>",
                    mode_, format_time(now_and(seconds_)));
    S3Request request;
    request.operation = "renew the lock of the object";
    request.method = "PUT";
    request.key = key;
    request.query = "retention=";
    request.headers = {{"Content-Type", "application/xml"},
                       {"Content-MD5", to_base64(md5(as_bytes(body)))}};
    request.body = as_bytes(body);
    sender_.demand(request, stop);
}

} // namespace backstay::core
