#pragma once

#include "store/object_store.hpp"
#include "store/s3_options.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

enum class StoreUse { open_existing, create };

/// Opens what `uri` names: a path, file:///path (percent-encoded), s3://bucket/prefix,
/// s3+http(s)://host:port/bucket/prefix. A relative path with a colon in its first name is refused:
/// other programs take it for a place elsewhere. A URL with user:password is refused with the way
/// to do it. Throws Error{invalid} for a scheme that nobody knows.
std::shared_ptr<ObjectStore> open_store_uri(const std::string& uri, StoreUse use,
                                            const S3Options& s3 = {});

/// Whether it names a bucket, whose client keeps to a bandwidth by itself.
bool is_bucket_uri(const std::string& uri);

} // namespace backstay::core
