#include "store/s3_listing.hpp"

#include "base/error.hpp"
#include "store/http_url.hpp"
#include "store/xml_document.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <optional>

namespace backstay::core
{

namespace
{

[[noreturn]] void refuse(std::string_view what, std::string_view why)
{
    throw Error(ErrorCode::storage, fmt::format("the server's {} cannot be read: {}", what, why));
}

XmlElement parse_reply(std::string_view body, std::string_view root_name)
{
    std::optional<XmlElement> root = parse_xml(as_bytes(body));
    if (!root || root->name != root_name) {
        refuse(root_name, "it is no such XML document");
    }
    return std::move(*root);
}

/// Reads a listing: knows its name for complaints and whether its names are encoded.
class Listing
{
public:
    Listing(std::string_view body, std::string_view root_name)
        : name_(root_name), root_(parse_reply(body, root_name)),
          encoded_(root_.text_of("EncodingType") == "url")
    {
    }

    const XmlElement& root() const { return root_; }

    std::string required(const XmlElement& element, std::string_view child) const
    {
        std::string text = element.text_of(child);
        if (text.empty()) {
            refuse(name_, fmt::format("{} lacks its {}", element.name, child));
        }
        return text;
    }

    /// AWS encodes as forms do, with '+' for a blank.
    std::string decoded(std::string text) const
    {
        if (!encoded_) {
            return text;
        }
        std::replace(text.begin(), text.end(), '+', ' ');
        return percent_decode(text);
    }

    std::string key(const XmlElement& element) const { return decoded(required(element, "Key")); }

    std::uint64_t size(const XmlElement& element) const
    {
        const std::string text = required(element, "Size");
        std::uint64_t value = 0;
        const char* end = text.data() + text.size();
        const auto result = std::from_chars(text.data(), end, value);
        if (result.ec != std::errc() || result.ptr != end) {
            refuse(name_, fmt::format("a size is no number ('{}')", text.substr(0, 40)));
        }
        return value;
    }

    S3ListedObject object(const XmlElement& element) const
    {
        return {key(element), size(element), time(element, "LastModified"), element.text_of("ETag"),
                element.text_of("StorageClass")};
    }

    static Timestamp time(const XmlElement& element, std::string_view child)
    {
        return parse_time(element.text_of(child)).value_or(Timestamp{});
    }

    bool truncated() const
    {
        const std::string text = root_.text_of("IsTruncated");
        if (text != "true" && text != "false" && !text.empty()) {
            refuse(name_, "IsTruncated is neither true nor false");
        }
        return text == "true";
    }

    S3ListPage page() const
    {
        S3ListPage out;
        for (const XmlElement& element : root_.children) {
            if (element.name == "Contents") {
                out.objects.push_back(object(element));
            } else if (element.name == "CommonPrefixes") {
                out.common_prefixes.push_back(decoded(required(element, "Prefix")));
            }
        }
        return out;
    }

private:
    std::string_view name_;
    XmlElement root_;
    bool encoded_;
};

} // namespace

S3ListPage parse_list_v2(std::string_view body)
{
    const Listing listing(body, "ListBucketResult");
    S3ListPage out = listing.page();
    if (listing.truncated()) {
        out.next = listing.required(listing.root(), "NextContinuationToken");
    }
    return out;
}

S3ListPage parse_list_v1(std::string_view body)
{
    const Listing listing(body, "ListBucketResult");
    S3ListPage out = listing.page();
    if (!listing.truncated()) {
        return out;
    }
    out.next = listing.decoded(listing.root().text_of("NextMarker"));
    if (out.next.empty() && !out.objects.empty()) {
        out.next = out.objects.back().key; // NextMarker comes only with a delimiter
    }
    if (!out.common_prefixes.empty()) {
        out.next = std::max(out.next, out.common_prefixes.back());
    }
    if (out.next.empty()) {
        refuse("ListBucketResult", "it says that there is more, and not where");
    }
    return out;
}

void S3ListProgress::take(std::size_t entries, const std::string& uri, const std::string& prefix)
{
    constexpr int most_empty = 100;
    empty_ = entries == 0 ? empty_ + 1 : 0;
    if (empty_ == most_empty) {
        throw Error(ErrorCode::storage,
                    fmt::format("the list of {} does not end: the server gave {} empty pages in a "
                                "row, and says that there is more",
                                uri, most_empty),
                    prefix);
    }
}

S3VersionPage parse_version_list(std::string_view body)
{
    const Listing listing(body, "ListVersionsResult");
    S3VersionPage out;
    for (const XmlElement& element : listing.root().children) {
        const bool marker = element.name == "DeleteMarker";
        if (!marker && element.name != "Version") {
            continue;
        }
        S3ListedVersion version;
        version.delete_marker = marker;
        version.version = listing.required(element, "VersionId");
        version.latest = element.text_of("IsLatest") == "true";
        if (marker) {
            version.object.key = listing.key(element);
            version.object.modified = Listing::time(element, "LastModified");
        } else {
            version.object = listing.object(element);
        }
        out.versions.push_back(std::move(version));
    }
    if (listing.truncated()) {
        out.next_key = listing.decoded(listing.required(listing.root(), "NextKeyMarker"));
        out.next_version = listing.root().text_of("NextVersionIdMarker");
    }
    return out;
}

S3UploadPage parse_upload_list(std::string_view body)
{
    const Listing listing(body, "ListMultipartUploadsResult");
    S3UploadPage out;
    for (const XmlElement& element : listing.root().children) {
        if (element.name == "Upload") {
            out.uploads.push_back({listing.key(element), listing.required(element, "UploadId"),
                                   Listing::time(element, "Initiated")});
        }
    }
    if (listing.truncated()) {
        out.next_key = listing.decoded(listing.required(listing.root(), "NextKeyMarker"));
        out.next_upload = listing.root().text_of("NextUploadIdMarker");
    }
    return out;
}

std::string parse_upload_id(std::string_view body)
{
    const Listing reply(body, "InitiateMultipartUploadResult");
    return reply.required(reply.root(), "UploadId");
}

std::vector<S3DeleteFailure> parse_delete_result(std::string_view body)
{
    std::vector<S3DeleteFailure> out;
    const Listing reply(body, "DeleteResult");
    for (const XmlElement& element : reply.root().children) {
        if (element.name == "Error") {
            out.push_back({element.text_of("Key"), element.text_of("VersionId"),
                           element.text_of("Code"), element.text_of("Message")});
        }
    }
    return out;
}

std::string parse_bucket_location(std::string_view body)
{
    const XmlElement root = parse_reply(body, "LocationConstraint");
    if (root.text.empty()) {
        return "us-east-1";
    }
    return root.text == "EU" ? "eu-west-1" : root.text;
}

} // namespace backstay::core
