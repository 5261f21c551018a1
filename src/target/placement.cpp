#include "target/placement.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "target/attributes.hpp"
#include "target/safe_folder.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

std::string random_prefix()
{
    std::array<std::uint8_t, 6> random{};
    fill_random(random);
    return std::string(temporary_prefix) + to_hex(random) + "-";
}

/// 0 or errno.
int rename_over(int folder, const std::string& temporary, const std::string& name, bool replace)
{
    // Some file systems know no RENAME_NOREPLACE; then a look must do.
    if (!replace) {
        if (renameat2(folder, temporary.c_str(), folder, name.c_str(), RENAME_NOREPLACE) == 0) {
            return 0;
        }
        if (errno != EINVAL) {
            return errno;
        }
        if (stat_child(folder, name, name)) {
            return EEXIST;
        }
    }
    return renameat(folder, temporary.c_str(), folder, name.c_str()) == 0 ? 0 : errno;
}

bool is_folder_in_the_way(int system_error)
{
    return system_error == EISDIR || system_error == ENOTEMPTY || system_error == EEXIST;
}

void remove_folder_in_the_way(int folder, const std::string& name, const std::string& path,
                              const PlacementRules& rules)
{
    if (unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0) {
        return;
    }
    if (!rules.remove_filled || (errno != ENOTEMPTY && errno != EEXIST)) {
        throw Error(
            ErrorCode::exists,
            "a folder that is not empty is in its place; remove it, or restore with --delete",
            path);
    }
    std::string first_failure;
    const auto failed = [&](const std::string& where, const std::string& why) {
        first_failure = first_failure.empty() ? where + " " + why : first_failure;
    };
    if (!remove_tree(folder, name, path, failed, {}, rules.spare)) {
        throw Error(
            ErrorCode::exists,
            "the folder in its place has to stay: " +
                (first_failure.empty() ? "it holds what must not be removed" : first_failure),
            path);
    }
}

} // namespace

TemporaryNames::TemporaryNames() : prefix_(random_prefix()) {}

std::string TemporaryNames::next()
{
    return prefix_ + std::to_string(count_.fetch_add(1, std::memory_order_relaxed));
}

bool TemporaryNames::is_ours(std::string_view name) const
{
    return name.substr(0, prefix_.size()) == prefix_;
}

std::uint64_t unlock_child(int folder, const std::string& name)
{
    const auto there = stat_child(folder, name, name);
    if (!there || (!S_ISREG(there->st_mode) && !S_ISDIR(there->st_mode))) {
        return 0; // opening a device may do something
    }
    const FileDescriptor child(
        openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    return child ? AttributeSetter::unlock(Inode(child.get(), Inode::Access::opened)) : 0;
}

void put_in_place(int folder, const std::string& temporary, const std::string& name,
                  const std::string& path, const PlacementRules& rules)
{
    int error = rename_over(folder, temporary, name, rules.replace);
    if (error == EPERM && rules.replace && unlock_child(folder, name) != 0) {
        error = rename_over(folder, temporary, name, rules.replace);
    }
    if (is_folder_in_the_way(error) && rules.replace) {
        remove_folder_in_the_way(folder, name, path, rules);
        error = rename_over(folder, temporary, name, rules.replace);
    }
    if (error == EEXIST) {
        throw Error(ErrorCode::exists, "something came to its place meanwhile, and stays there",
                    path);
    }
    if (error != 0) {
        throw_system_error(error, "cannot be put in its place", path, ErrorCode::target);
    }
}

void remove_in_the_way(int folder, const std::string& name, const std::string& path)
{
    if (unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) {
        return;
    }
    if (errno == EPERM && unlock_child(folder, name) != 0 &&
        unlinkat(folder, name.c_str(), 0) == 0) {
        return;
    }
    throw_system_error(errno, "cannot remove what is in its place", path, ErrorCode::target);
}

} // namespace backstay::core
