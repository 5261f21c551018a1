#include "store/s3_archive.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"

#include <fmt/core.h>

namespace backstay::core
{

namespace
{

std::string_view header(const HttpReply& reply, std::string_view name)
{
    return reply.header(name).value_or(std::string_view());
}

/// Its archive tiers keep what they give out, so they take no number of days.
bool is_tiered(const HttpReply& head)
{
    return header(head, "x-amz-storage-class") == "INTELLIGENT_TIERING";
}

/// The value of a name in 'ongoing-request="false", expiry-date="Fri, 27 Nov 2026 00:00:00 GMT"'.
std::string_view value_in(std::string_view text, std::string_view name)
{
    const std::size_t at = text.find(std::string(name) + "=\"");
    if (at == std::string_view::npos) {
        return {};
    }
    text.remove_prefix(at + name.size() + 2);
    return text.substr(0, text.find('"'));
}

/// A copy that the archive gave out, and that has not ended by the server's own clock.
bool has_copy(const HttpReply& head)
{
    const std::string_view restore = header(head, "x-amz-restore");
    if (value_in(restore, "ongoing-request") != "false") {
        return false;
    }
    const auto ends = parse_http_date(value_in(restore, "expiry-date"));
    const auto now = parse_http_date(header(head, "date"));
    return !ends || !now || *now < *ends;
}

Readiness readiness_in(const HttpReply& head)
{
    if (value_in(header(head, "x-amz-restore"), "ongoing-request") == "true") {
        return Readiness::thawing;
    }
    const std::string_view storage = header(head, "x-amz-storage-class");
    const bool in_archive = storage == "GLACIER" || storage == "DEEP_ARCHIVE" ||
                            !header(head, "x-amz-archive-status").empty();
    return in_archive && !has_copy(head) ? Readiness::archived : Readiness::ready;
}

const char* tier_name(ThawWish::Tier tier)
{
    switch (tier) {
    case ThawWish::Tier::standard:
        return "Standard";
    case ThawWish::Tier::bulk:
        return "Bulk";
    case ThawWish::Tier::expedited:
        return "Expedited";
    }
    return "";
}

std::string body_of(const HttpReply& head, const ThawWish& wish)
{
    const std::string days = is_tiered(head) ? "" : fmt::format("<Days>{}</Days>", wish.days);
    return fmt::format("<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}"
                       "<GlacierJobParameters><Tier>{}</Tier></GlacierJobParameters>"
                       "</RestoreRequest>",
                       days, tier_name(wish.tier));
}

} // namespace

Readiness S3Archive::readiness(const std::string& key, const std::stop_token& stop) const
{
    return readiness_in(demand_head(key, stop));
}

Readiness S3Archive::thaw(const std::string& key, const ThawWish& wish,
                          const std::stop_token& stop) const
{
    const HttpReply head = demand_head(key, stop);
    const Readiness found = readiness_in(head);
    if (found != Readiness::archived) {
        return found;
    }
    const std::string version = reader_.query_of(key, stop).value_or("");
    const std::string body = body_of(head, wish);
    S3Request request;
    request.operation = "have the archive give out the object";
    request.method = "POST";
    request.key = key;
    request.query = "restore=" + (version.empty() ? "" : '&' + version);
    request.headers = {{"Content-Type", "application/xml"},
                       {"Content-MD5", to_base64(md5(as_bytes(body)))}};
    request.body = as_bytes(body);
    const S3Reply reply = sender_.send(request, stop);
    if (reply.ok()) {
        return Readiness::thawing;
    }
    if (reply.failure->code == "RestoreAlreadyInProgress") { // since somebody else asked
        return Readiness::thawing;
    }
    if (reply.failure->code == "ObjectAlreadyInActiveTierError") { // it came back meanwhile
        return Readiness::ready;
    }
    sender_.refuse(request, *reply.failure);
}

HttpReply S3Archive::demand_head(const std::string& key, const std::stop_token& stop) const
{
    std::optional<HttpReply> head = reader_.head(key, stop);
    if (!head) {
        throw Error(ErrorCode::not_found, "there is no such object", key);
    }
    return *std::move(head);
}

} // namespace backstay::core
