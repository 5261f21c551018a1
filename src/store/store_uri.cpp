#include "store/store_uri.hpp"

#include "base/error.hpp"
#include "store/http_url.hpp"
#include "store/local_store.hpp"
#include "store/s3_store.hpp"

#include <fmt/core.h>

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

/// What rsync, ssh and other backup programs take for a place elsewhere ("me@host:folder",
/// "sftp:host:/x", "rest:…") would be made as a folder here, and found by nobody when it is needed.
void refuse_foreign_place(std::string_view path)
{
    const std::string_view first = path.substr(0, path.find('/'));
    if (first.find(':') == std::string_view::npos || first.starts_with('.')) {
        return;
    }
    // Not repeated with a user in it: what stands before '@' may be a password.
    const bool names_user = path.find('@') != std::string_view::npos;
    throw Error(ErrorCode::invalid,
                "this looks like a place on another machine or of another program, which cannot be "
                "a repository here: mount it and use its path, or write ./NAME for a folder of "
                "that name",
                names_user ? std::string() : std::string(path));
}

std::string path_of_file_url(const std::string& uri)
{
    std::string path = percent_decode(std::string_view(uri).substr(file_scheme.size()));
    if (!path.starts_with('/') || path.find('\0') != std::string::npos) {
        throw Error(ErrorCode::invalid,
                    "a file URL names no host and has an absolute path: file:///path", uri);
    }
    return path;
}

} // namespace

bool is_bucket_uri(const std::string& uri)
{
    const std::string_view scheme = scheme_of(uri);
    return scheme == "s3" || scheme == "s3+http" || scheme == "s3+https";
}

std::shared_ptr<ObjectStore> open_store_uri(const std::string& uri, StoreUse use,
                                            const S3Options& s3)
{
    const auto mode = use == StoreUse::create ? LocalStore::Mode::create : LocalStore::Mode::open;
    const std::string_view scheme = scheme_of(uri);
    if (uri.empty()) {
        throw Error(ErrorCode::invalid, "the repository's place is empty: give a path");
    }
    if (scheme.empty()) {
        refuse_foreign_place(uri);
        return std::make_shared<LocalStore>(uri, mode);
    }
    refuse_password(uri);
    if (scheme == "file") {
        return std::make_shared<LocalStore>(path_of_file_url(uri), mode);
    }
    if (is_bucket_uri(uri)) {
        return std::make_shared<S3Store>(uri, s3);
    }
    throw Error(
        ErrorCode::invalid,
        fmt::format("'{}' is no kind of store: use a path, s3://bucket or s3+https://host/bucket",
                    scheme),
        uri);
}

} // namespace backstay::core
