#include "store/s3_leftovers.hpp"

#include "store/http_url.hpp"
#include "store/s3_listing.hpp"

#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::int64_t oldest = std::int64_t{7} * 24 * 3600; // no upload of ours takes that long
constexpr std::size_t largest_page = 8 * MiB;
constexpr int most_pages = 100; // of uploads: far more than anybody leaves behind

/// One tidying up.
class Tidying
{
public:
    Tidying(S3RequestSender& sender, const std::stop_token& stop) : sender_(sender), stop_(stop) {}

    std::size_t run()
    {
        abort_uploads();
        remove_probes();
        return removed_;
    }

private:
    /// The page's body, and by what time its objects are old: by the server's clock.
    std::optional<std::string> fetch(const std::string& query)
    {
        S3Request request;
        request.operation = "list what was left behind";
        request.query = query;
        request.reply_limit = largest_page;
        S3Reply reply = sender_.send(request, stop_);
        const auto date = parse_http_date(reply.http.header("date").value_or(""));
        if (!reply.ok() || !date) {
            return std::nullopt;
        }
        limit_ = date->seconds - oldest;
        return std::move(reply.http.body);
    }

    void abort_uploads()
    {
        std::string from;
        for (int pages = 0; pages < most_pages; ++pages) {
            const auto body = fetch("encoding-type=url&prefix=" + percent_encode(sender_.prefix()) +
                                    "&uploads=" + from);
            if (!body) {
                return;
            }
            const S3UploadPage page = parse_upload_list(*body);
            for (const S3ListedUpload& upload : page.uploads) {
                if (is_old(upload.initiated) && upload.key.starts_with(sender_.prefix())) {
                    remove(upload.key, "uploadId=" + percent_encode(upload.upload));
                }
            }
            std::string next = "&key-marker=" + percent_encode(page.next_key) +
                               "&upload-id-marker=" + percent_encode(page.next_upload);
            if (page.next_key.empty() || next == from) {
                return;
            }
            from = std::move(next);
        }
    }

    void remove_probes()
    {
        const auto body = fetch("encoding-type=url&list-type=2&prefix=" +
                                percent_encode(sender_.prefix() + "tmp/"));
        if (!body) {
            return;
        }
        for (const S3ListedObject& object : parse_list_v2(*body).objects) {
            if (is_old(object.modified) && object.key.starts_with(sender_.prefix() + "tmp/")) {
                remove(object.key, {});
            }
        }
    }

    bool is_old(Timestamp time) const { return time.seconds != 0 && time.seconds < limit_; }

    void remove(const std::string& full_key, const std::string& query)
    {
        S3Request request;
        request.operation = "remove what was left behind";
        request.method = "DELETE";
        request.key = full_key.substr(sender_.prefix().size());
        request.query = query;
        removed_ += sender_.send(request, stop_).ok() ? 1 : 0;
    }

    S3RequestSender& sender_;
    const std::stop_token& stop_;
    std::int64_t limit_ = 0;
    std::size_t removed_ = 0;
};

} // namespace

std::size_t remove_s3_leftovers(S3RequestSender& sender, const std::stop_token& stop)
{
    try {
        return Tidying(sender, stop).run();
    } catch (const Error& error) {
        if (error.code() == ErrorCode::storage) { // a list that cannot be read
            return 0;
        }
        throw;
    }
}

} // namespace backstay::core
