#include "source/xattr_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fmt/format.h>
#include <sys/xattr.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t first_list_size = 4096;
constexpr std::size_t most_list_size = 65536;  // XATTR_LIST_MAX
constexpr std::size_t most_value_size = 65536; // XATTR_SIZE_MAX

/// 0, or errno. A value that grows between two calls is asked for again.
int read_value(const std::string& path, const std::string& name, Bytes& value)
{
    value.resize(256);
    while (true) {
        const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
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

} // namespace

int read_xattrs(int folder, const std::string& name, const std::string& path,
                std::vector<Xattr>& xattrs)
{
    xattrs.clear();
    const std::string place =
        path.size() < PATH_MAX ? path : fmt::format("/proc/self/fd/{}/{}", folder, name);
    std::string list(first_list_size, '\0');
    ssize_t size = ::llistxattr(place.c_str(), list.data(), list.size());
    if (size < 0 && errno == ERANGE) {
        list.resize(most_list_size);
        size = ::llistxattr(place.c_str(), list.data(), list.size());
    }
    if (size < 0) {
        return errno == ENOTSUP ? 0 : errno;
    }
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
        const std::string key = list.c_str() + at;
        at += key.size() + 1;
        Xattr xattr;
        xattr.name = key;
        const int error = read_value(place, key, xattr.value);
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

} // namespace backstay::core
