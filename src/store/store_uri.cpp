#include "store/store_uri.hpp"

#include "base/error.hpp"
#include "store/local_store.hpp"
#include "store/s3_store.hpp"

#include <fmt/format.h>

namespace backstay::core
{

namespace
{

constexpr std::string_view file_scheme = "file://";

/// Empty for a path, which may have "://" in it, too.
std::string_view scheme_of(std::string_view uri)
{
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789+-.";
    const std::size_t end = uri.find("://");
    return end == std::string_view::npos || uri.find_first_not_of(allowed) != end
               ? std::string_view()
               : uri.substr(0, end);
}

void refuse_password(std::string_view uri)
{
    const std::string_view rest = uri.substr(uri.find("://") + 3);
    const std::string_view authority = rest.substr(0, rest.find('/'));
    const std::size_t at = authority.find('@');
    if (at != std::string_view::npos &&
        authority.substr(0, at).find(':') != std::string_view::npos) {
        throw Error(ErrorCode::invalid, "a password in a URL can be read by everybody on this "
                                        "machine: give it by a file or the environment");
    }
}

} // namespace

std::shared_ptr<ObjectStore> open_store_uri(const std::string& uri, StoreUse use,
                                            const S3Options& s3)
{
    const auto mode = use == StoreUse::create ? LocalStore::Mode::create : LocalStore::Mode::open;
    const std::string_view scheme = scheme_of(uri);
    if (uri.empty()) {
        throw Error(ErrorCode::invalid, "the repository's place is empty: give a path");
    }
    if (scheme.empty()) {
        return std::make_shared<LocalStore>(uri, mode);
    }
    refuse_password(uri);
    if (scheme == "file") {
        const std::string path = uri.substr(file_scheme.size());
        if (!path.starts_with('/')) {
            throw Error(ErrorCode::invalid,
                        "a file URL names no host and has an absolute path: file:///path", uri);
        }
        return std::make_shared<LocalStore>(path, mode);
    }
    if (scheme == "s3" || scheme == "s3+http" || scheme == "s3+https") {
        return std::make_shared<S3Store>(uri, s3);
    }
    throw Error(
        ErrorCode::invalid,
        fmt::format("'{}' is no kind of store: use a path, s3://bucket or s3+https://host/bucket",
                    scheme),
        uri);
}

} // namespace backstay::core
