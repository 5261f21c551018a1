#include "store/s3_lister.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "store/http_url.hpp"
#include "store/s3_listing.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_page = 8 * MiB; // a thousand keys of a kilobyte each, encoded

S3Request page_request(const std::string& prefix, const std::string& from, bool old_protocol)
{
    S3Request request;
    request.operation = "list the objects";
    request.reply_limit = largest_page;
    request.query = "encoding-type=url";
    if (!old_protocol) {
        request.query += "&list-type=2";
    }
    if (!from.empty()) {
        request.query += old_protocol ? "&marker=" : "&continuation-token=";
        request.query += percent_encode(from);
    }
    if (!prefix.empty()) {
        request.query += "&prefix=" + percent_encode(prefix);
    }
    return request;
}

/// Nothing but what a key may hold can be the beginning of one.
bool may_begin_a_key(std::string_view prefix)
{
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789/._-";
    return prefix.find_first_not_of(allowed) == std::string_view::npos;
}

/// One list from its beginning to its end.
class Listing
{
public:
    Listing(S3RequestSender& sender, std::atomic<bool>& old_protocol, const std::string& prefix)
        : sender_(sender), old_protocol_(old_protocol), prefix_(sender.prefix() + prefix)
    {
    }

    void run(const std::function<void(const ObjectInfo&)>& each, const std::stop_token& stop)
    {
        std::string from;
        do {
            S3ListPage page = fetch(from, stop);
            for (const S3ListedObject& object : page.objects) {
                give(object, each, stop);
            }
            if (!page.next.empty()) {
                advance(page, from);
            }
            from = std::move(page.next);
        } while (!from.empty());
    }

    /// The first page alone.
    void begin(const std::function<void(const ObjectInfo&)>& each, const std::stop_token& stop)
    {
        const S3ListPage page = fetch({}, stop);
        for (const S3ListedObject& object : page.objects) {
            give(object, each, stop);
        }
        whole_ = page.next.empty();
    }

    /// Whether begin() gave all keys that begin with `prefix`.
    bool gave_all(const std::string& prefix) const
    {
        const std::string beginning = sender_.prefix() + prefix;
        return whole_ || (last_ > beginning && !last_.starts_with(beginning));
    }

private:
    /// Tokens that come again later bring keys out of order or empty pages: those before the last
    /// need not be remembered.
    void advance(const S3ListPage& page, const std::string& from)
    {
        if (page.next == from) {
            throw Error(ErrorCode::storage,
                        "the server's list of objects does not end: its token came before",
                        prefix_);
        }
        progress_.take(page.objects.size(), sender_.uri(), prefix_);
    }

    S3ListPage fetch(const std::string& from, const std::stop_token& stop)
    {
        if (old_protocol_) {
            return parse_list_v1(sender_.demand(page_request(prefix_, from, true), stop).body);
        }
        const S3Request request = page_request(prefix_, from, false);
        const S3Reply reply = sender_.send(request, stop);
        const bool first = from.empty();
        if (first && reply.is(S3FailureKind::unsupported)) {
            return fetch_old(stop);
        }
        if (!reply.ok()) {
            sender_.refuse(request, *reply.failure);
        }
        try {
            return parse_list_v2(reply.http.body);
        } catch (const Error&) {
            if (!first) {
                throw;
            }
        }
        return fetch_old(stop); // a server that passes over list-type=2
    }

    S3ListPage fetch_old(const std::stop_token& stop)
    {
        S3ListPage page = parse_list_v1(sender_.demand(page_request(prefix_, {}, true), stop).body);
        old_protocol_ = true;
        return page;
    }

    void give(const S3ListedObject& object, const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop)
    {
        if (!object.key.starts_with(prefix_) || object.key <= last_) {
            throw Error(ErrorCode::storage,
                        "the server's list of objects is not in the order of their names", prefix_);
        }
        last_ = object.key;
        std::string key = object.key.substr(sender_.prefix().size());
        if (!is_object_key(key)) {
            return; // a probe, or somebody else's
        }
        throw_if_stopped(stop);
        each({std::move(key), object.size, object.modified});
    }

    S3RequestSender& sender_;
    std::atomic<bool>& old_protocol_;
    const std::string prefix_;
    S3ListProgress progress_;
    std::string last_;
    bool whole_ = false;
};

std::string common_beginning(std::span<const std::string> prefixes)
{
    std::string common = prefixes.front();
    for (const std::string& prefix : prefixes) {
        const auto differs =
            std::mismatch(common.begin(), common.end(), prefix.begin(), prefix.end());
        common.erase(differs.first, common.end());
    }
    return common;
}

} // namespace

void S3Lister::list(const std::string& prefix, const std::function<void(const ObjectInfo&)>& each,
                    const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (may_begin_a_key(prefix)) {
        Listing(sender_, old_protocol_, prefix).run(each, stop);
    }
}

void S3Lister::list_all(std::span<const std::string> prefixes,
                        const std::function<void(const ObjectInfo&)>& each,
                        const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (prefixes.empty()) {
        return;
    }
    Listing listing(sender_, old_protocol_, common_beginning(prefixes));
    std::vector<ObjectInfo> objects;
    try {
        listing.begin([&objects](const ObjectInfo& object) { objects.push_back(object); }, stop);
    } catch (const Error& error) {
        // Who may list these prefixes need not be allowed to list what they have in common.
        if (error.code() != ErrorCode::denied || prefixes.size() == 1) {
            throw;
        }
    }
    for (const std::string& prefix : prefixes) {
        if (!listing.gave_all(prefix)) {
            list(prefix, each, stop);
            continue;
        }
        for (const ObjectInfo& object : objects) {
            if (object.key.starts_with(prefix)) {
                each(object);
            }
        }
    }
}

} // namespace backstay::core
