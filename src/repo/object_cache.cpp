#include "repo/object_cache.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace backstay::core
{

namespace
{

/// For this user only, parents included. Best effort.
bool make_private_folder(const std::string& path)
{
    std::error_code error;
    const std::filesystem::path folder(path);
    if (std::filesystem::is_directory(folder, error)) {
        return true;
    }
    if (folder.has_parent_path() && folder.parent_path() != folder &&
        !make_private_folder(folder.parent_path())) {
        return false;
    }
    return ::mkdir(path.c_str(), 0700) == 0 || std::filesystem::is_directory(folder, error);
}

std::string random_suffix()
{
    std::array<std::uint8_t, 8> random{};
    fill_random(random);
    return to_hex(random);
}

void write_beside_and_rename(const std::string& path, ByteSpan bytes)
{
    const std::string beside = path + "~" + random_suffix();
    FileDescriptor file(
        ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) {
        return;
    }
    bool whole = false;
    try {
        write_at(file.get(), 0, bytes, beside);
        file.close(beside);
        whole = true;
    } catch (const Error&) { // a full disk costs a get the next time
    }
    if (!whole || std::rename(beside.c_str(), path.c_str()) != 0) {
        ::unlink(beside.c_str());
    }
}

} // namespace

ObjectCache::ObjectCache(ObjectStore& store, std::string folder, std::uint64_t limit)
    : store_(store), folder_(std::move(folder)), objects_(folder_ + "/objects", limit)
{
    if (!folder_.empty() && !make_private_folder(folder_ + "/objects")) {
        folder_.clear();
    }
}

std::string ObjectCache::path_of(const std::string& key) const
{
    std::string name = key;
    std::replace(name.begin(), name.end(), '/', '+'); // which no key has
    return folder_ + "/objects/" + name;
}

Bytes ObjectCache::get(const std::string& key, std::uint64_t limit, const std::stop_token& stop)
{
    if (!folder_.empty() && bypasses_ == 0) {
        try {
            return read_small_file(path_of(key), limit);
        } catch (const Error&) { // then the store has it
        }
    }
    return get_again(key, limit, stop);
}

FileDescriptor ObjectCache::open_kept(const std::string& name) const
{
    if (folder_.empty() || bypasses_ != 0) {
        return {};
    }
    return FileDescriptor(::open(path_of(name).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
}

void ObjectCache::keep(const std::string& name, const FileDescriptor& file, std::uint64_t size)
{
    if (folder_.empty() || bypasses_ != 0) {
        return;
    }
    const std::string path = path_of(name);
    const std::string beside = path + "~" + random_suffix();
    const std::string from = "/proc/self/fd/" + std::to_string(file.get());
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, beside.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        return;
    }
    if (std::rename(beside.c_str(), path.c_str()) != 0) {
        ::unlink(beside.c_str());
        return;
    }
    objects_.added(size);
}

Bytes ObjectCache::get_again(const std::string& key, std::uint64_t limit,
                             const std::stop_token& stop)
{
    Bytes bytes = get_object(store_, key, limit, stop);
    if (!folder_.empty() && bypasses_ == 0) {
        write_beside_and_rename(path_of(key), bytes);
        objects_.added(bytes.size());
    }
    return bytes;
}

} // namespace backstay::core
