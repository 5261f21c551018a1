#include "store/publishing.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/worker_group.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace backstay::core
{

namespace
{

int publish_by_link(const FileName& temporary, const FileName& name)
{
    if (::linkat(temporary.folder, temporary.name.c_str(), name.folder, name.name.c_str(), 0) ==
        0) {
        return 0;
    }
    const int error = errno;
    // NFS repeats calls: the second one finds the name taken by the first.
    struct stat about {
    };
    const bool linked =
        ::fstatat(temporary.folder, temporary.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
        about.st_nlink == 2;
    return linked ? 0 : error;
}

int publish_by_rename(unsigned flags, const FileName& temporary, const FileName& name)
{
    return ::renameat2(temporary.folder, temporary.name.c_str(), name.folder, name.name.c_str(),
                       flags) == 0
               ? 0
               : errno;
}

/// What says nothing about whether the file system knows the call.
bool is_passing(int system_error)
{
    switch (system_error) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EROFS:
    case ENOENT:
    case ENOMEM:
    case EINTR:
    case ESTALE:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

/// One trial: its files, gone with it.
class Trial
{
public:
    Trial(const ObjectFolder& root, int folder) : root_(root), folder_(folder) {}
    ~Trial()
    {
        for (const std::string& name : names_) {
            ::unlinkat(folder_, name.c_str(), 0);
        }
    }
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;

    bool succeeds(Publishing way)
    {
        const std::string target = new_name();
        return publish_new(way, "1", target) == 0 && publish_new(way, "2", target) == EEXIST &&
               read(target) == "1";
    }

private:
    std::string new_name()
    {
        names_.push_back(temporary_name());
        return names_.back();
    }

    int publish_new(Publishing way, std::string_view text, const std::string& target)
    {
        const std::string name = new_name();
        const FileDescriptor file(
            ::openat(folder_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!file) {
            root_.fail(errno, "create", "tmp/" + name);
        }
        root_.write(file.get(), 0, as_bytes(text), "tmp/" + name);
        const int error = publish(way, {folder_, name}, {folder_, target});
        if (is_passing(error)) {
            root_.fail(error, "publish", "tmp/" + target);
        }
        return error;
    }

    std::string read(const std::string& name) const
    {
        const FileDescriptor file(::openat(folder_, name.c_str(), O_RDONLY | O_CLOEXEC));
        std::array<std::uint8_t, 2> text{};
        const std::size_t size = file ? root_.read(file.get(), 0, text, "tmp/" + name) : 0;
        return {text.begin(), text.begin() + size};
    }

    const ObjectFolder& root_;
    int folder_;
    std::vector<std::string> names_;
};

} // namespace

std::string temporary_name()
{
    std::array<std::uint8_t, 12> random{};
    fill_random(random);
    return to_hex(random);
}

int publish(Publishing way, const FileName& temporary, const FileName& name)
{
    switch (way) {
    case Publishing::link:
        return publish_by_link(temporary, name);
    case Publishing::rename_no_replace:
        return publish_by_rename(RENAME_NOREPLACE, temporary, name);
    case Publishing::rename_only:
        break;
    }
    struct stat about {
    };
    const bool taken = ::fstatat(name.folder, name.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
    return taken ? EEXIST : publish_by_rename(0, temporary, name);
}

Publishing try_publishing(const ObjectFolder& root, int temporaries, HardLinks links,
                          const std::stop_token& stop)
{
    for (const Publishing way : {Publishing::link, Publishing::rename_no_replace}) {
        throw_if_stopped(stop);
        const bool wanted = way != Publishing::link || links == HardLinks::use;
        if (wanted && Trial(root, temporaries).succeeds(way)) {
            return way;
        }
    }
    return Publishing::rename_only;
}

} // namespace backstay::core
