#include "source/xattr_reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/core.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t first_list_size = 4096;
constexpr std::size_t most_list_size = 65536;  // XATTR_LIST_MAX
constexpr std::size_t most_value_size = 65536; // XATTR_SIZE_MAX

/// 0, or errno. A value that grows between two calls is asked for again. `get`: as lgetxattr.
template <typename Get>
int read_value(const Get& get, const std::string& name, Bytes& value)
{
    value.resize(256);
    while (true) {
        const ssize_t size = get(name.c_str(), value.data(), value.size());
        if (size >= 0) {
            value.resize(static_cast<std::size_t>(size));
            return 0;
        }
        if (errno != ERANGE || value.size() >= most_value_size) {
            return errno;
        }
        value.resize(most_value_size);
    }
}

/// `list`: as llistxattr.
template <typename List, typename Get>
int read_all(const List& list, const Get& get, std::vector<Xattr>& xattrs)
{
    xattrs.clear();
    std::array<char, first_list_size> first; // not zeroed: most files have none
    std::string longer;
    const char* names = first.data();
    ssize_t size = list(first.data(), first.size());
    if (size < 0 && errno == ERANGE) {
        longer.resize(most_list_size);
        names = longer.data();
        size = list(longer.data(), longer.size());
    }
    if (size < 0) {
        return errno == ENOTSUP ? 0 : errno;
    }
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
        Xattr xattr;
        xattr.name = names + at;
        at += xattr.name.size() + 1;
        const int error = read_value(get, xattr.name, xattr.value);
        if (error == ENODATA) {
            continue; // taken away since
        }
        if (error != 0) {
            return error;
        }
        xattrs.push_back(std::move(xattr));
    }
    std::sort(xattrs.begin(), xattrs.end(),
              [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
    return 0;
}

} // namespace

int read_xattrs(int folder, const std::string& name, const std::string& path,
                std::vector<Xattr>& xattrs)
{
    // By the open folder: a symlink that is put into the path under way leads nowhere else.
    static const bool has_proc = ::access("/proc/self/fd", X_OK) == 0;
    const std::string place = has_proc ? fmt::format("/proc/self/fd/{}/{}", folder, name) : path;
    return read_all(
        [&](char* to, std::size_t size) { return ::llistxattr(place.c_str(), to, size); },
        [&](const char* key, void* to, std::size_t size) {
            return ::lgetxattr(place.c_str(), key, to, size);
        },
        xattrs);
}

int read_xattrs(int file, std::vector<Xattr>& xattrs)
{
    return read_all([&](char* to, std::size_t size) { return ::flistxattr(file, to, size); },
                    [&](const char* key, void* to, std::size_t size) {
                        return ::fgetxattr(file, key, to, size);
                    },
                    xattrs);
}

} // namespace backstay::core
