#pragma once

#include "base/clock.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

struct S3ListedObject {
    std::string key;
    std::uint64_t size = 0;
    Timestamp modified; ///< 1970 if the server does not say
    std::string etag;   ///< with its quotes
    std::string storage_class;
};

/// One page of a list. Keys and prefixes are decoded where the reply says that they are encoded.
struct S3ListPage {
    std::vector<S3ListedObject> objects;
    std::vector<std::string> common_prefixes;
    /// How to ask for the page after this: continuation-token (V2), marker (V1); empty: this is the
    /// last. That it does not repeat is for the caller to see.
    std::string next;
};

/// The replies of ListObjectsV2 and ListObjects. Throws Error{storage} for a body that is none, or
/// is short of what it needs.
S3ListPage parse_list_v2(std::string_view body);
S3ListPage parse_list_v1(std::string_view body);

/// Sees that a list gets on, page by page. Servers may give empty pages before the last, but none
/// gives them for ever.
class S3ListProgress
{
public:
    /// For a page that others follow. Throws Error{storage} for the hundredth in a row without an
    /// entry; `uri` and `prefix` say what is listed.
    void take(std::size_t entries, const std::string& uri, const std::string& prefix);

private:
    int empty_ = 0; ///< pages since one with an entry
};

/// One version of an object in a versioned bucket, or a marker that hides the older ones.
struct S3ListedVersion {
    S3ListedObject object;
    std::string version; ///< "null" for what was there before versioning
    bool latest = false;
    bool delete_marker = false;
};

struct S3VersionPage {
    std::vector<S3ListedVersion> versions; ///< in the reply's order
    std::string next_key;                  ///< key-marker; empty: this is the last page
    std::string next_version;              ///< version-id-marker
};
S3VersionPage parse_version_list(std::string_view body);

/// An upload that was begun and neither completed nor aborted.
struct S3ListedUpload {
    std::string key;
    std::string upload;
    Timestamp initiated;
};

struct S3UploadPage {
    std::vector<S3ListedUpload> uploads;
    std::string next_key;    ///< key-marker; empty: this is the last page
    std::string next_upload; ///< upload-id-marker
};
S3UploadPage parse_upload_list(std::string_view body);

/// The upload's id in the reply to CreateMultipartUpload.
std::string parse_upload_id(std::string_view body);

/// What DeleteObjects could not delete.
struct S3DeleteFailure {
    std::string key;
    std::string version;
    std::string code;
    std::string message;
};
std::vector<S3DeleteFailure> parse_delete_result(std::string_view body);

/// The reply to GetBucketLocation: "us-east-1" where it is empty, "eu-west-1" for the old "EU".
std::string parse_bucket_location(std::string_view body);

} // namespace backstay::core
