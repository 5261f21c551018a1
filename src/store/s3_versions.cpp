#include "store/s3_versions.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "store/http_url.hpp"
#include "store/s3_listing.hpp"

#include <algorithm>
#include <cassert>
#include <set>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_page = 8 * MiB;

} // namespace

/// One list of versions, from its beginning to its end. Servers give a key's versions newest first.
class S3Versions::Listing
{
public:
    using Take = std::function<void(const S3ListedVersion&)>;

    Listing(S3RequestSender& sender, S3VersionChoice choice, std::string prefix)
        : sender_(sender), choice_(choice), prefix_(std::move(prefix))
    {
    }

    /// Calls `take` for the chosen version of each key, in the order of the keys.
    void run(const Take& take, const std::stop_token& stop)
    {
        std::set<std::pair<std::string, std::string>> seen;
        S3ListProgress progress;
        std::string from;
        do {
            const S3VersionPage page = fetch(from, stop);
            for (const S3ListedVersion& version : page.versions) {
                consider(version, take);
            }
            from.clear();
            if (!page.next_key.empty()) {
                if (!seen.emplace(page.next_key, page.next_version).second) {
                    throw Error(ErrorCode::storage,
                                "the server's list of versions does not end: its marker came "
                                "before",
                                prefix_);
                }
                progress.take(page.versions.size(), sender_.uri(), prefix_);
                from = "key-marker=" + percent_encode(page.next_key) + "&";
                if (!page.next_version.empty()) {
                    from += "version-id-marker=" + percent_encode(page.next_version) + "&";
                }
            }
        } while (!from.empty());
        give(take);
    }

private:
    S3VersionPage fetch(const std::string& from, const std::stop_token& stop)
    {
        S3Request request;
        request.operation = "list the versions of objects";
        request.query =
            "encoding-type=url&" + from + "prefix=" + percent_encode(prefix_) + "&versions=";
        request.reply_limit = largest_page;
        return parse_version_list(sender_.demand(request, stop).body);
    }

    void consider(const S3ListedVersion& version, const Take& take)
    {
        if (!version.object.key.starts_with(prefix_) || version.object.key < key_) {
            throw Error(ErrorCode::storage,
                        "the server's list of versions is not in the order of their names",
                        prefix_);
        }
        if (version.object.key != key_) {
            give(take);
            key_ = version.object.key;
        }
        const bool better = !chosen_ || choice_ == S3VersionChoice::oldest;
        if (!version.delete_marker && better) {
            chosen_ = version;
        }
    }

    void give(const Take& take)
    {
        if (const auto chosen = std::exchange(chosen_, std::nullopt)) {
            take(*chosen);
        }
    }

    S3RequestSender& sender_;
    const S3VersionChoice choice_;
    const std::string prefix_;
    std::string key_;
    std::optional<S3ListedVersion> chosen_; ///< of that key, so far
};

S3Versions::S3Versions(S3RequestSender& sender, const S3Options& options)
    : sender_(sender), choice_(options.versions), left_out_(options.always_current)
{
    assert(choice_ != S3VersionChoice::current);
}

bool S3Versions::covers(const std::string& key) const
{
    return std::none_of(left_out_.begin(), left_out_.end(),
                        [&key](const std::string& prefix) { return key.starts_with(prefix); });
}

void S3Versions::list(const std::string& prefix, const std::function<void(const ObjectInfo&)>& each,
                      const std::stop_token& stop)
{
    Listing listing(sender_, choice_, sender_.prefix() + prefix);
    listing.run(
        [&](const S3ListedVersion& version) {
            std::string key = version.object.key.substr(sender_.prefix().size());
            if (!is_object_key(key) || !covers(key)) {
                return;
            }
            {
                const std::lock_guard lock(mutex_);
                known_[key] = version.version;
            }
            throw_if_stopped(stop);
            each({std::move(key), version.object.size, version.object.modified});
        },
        stop);
}

std::optional<std::string> S3Versions::find(const std::string& key, const std::stop_token& stop)
{
    {
        const std::lock_guard lock(mutex_);
        const auto found = known_.find(key);
        if (found != known_.end()) {
            return found->second;
        }
    }
    std::optional<std::string> version;
    Listing(sender_, choice_, sender_.prefix() + key)
        .run(
            [&](const S3ListedVersion& listed) {
                if (listed.object.key == sender_.prefix() + key) {
                    version = listed.version;
                }
            },
            stop);
    if (version) {
        const std::lock_guard lock(mutex_);
        known_[key] = *version;
    }
    return version;
}

} // namespace backstay::core
