#include "target/attributes.hpp"

#include "format/file_flags.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/core.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t lock_flags = FS_IMMUTABLE_FL | FS_APPEND_FL;
constexpr std::uint64_t empty_file_flags = FS_NOCOW_FL | FS_COMPR_FL;
/// How bytes are stored. Folders pass these on, and file systems set them by themselves: where an
/// entry wishes nothing, what is there stays.
constexpr std::uint64_t storage_flags = FS_NOCOW_FL | FS_COMPR_FL | FS_NOCOMP_FL | FS_DAX_FL;
constexpr std::uint64_t settable_flags = kept_file_flags();

constexpr std::string_view access_acl = "system.posix_acl_access";
constexpr std::string_view default_acl = "system.posix_acl_default";
constexpr std::string_view capability_xattr = "security.capability";

constexpr std::uint32_t set_id_bits = S_ISUID | S_ISGID;

std::uint64_t effective_capabilities()
{
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    if (syscall(SYS_capget, &header, data) != 0) {
        return geteuid() == 0 ? ~std::uint64_t{0} : 0;
    }
    return data[0].effective | static_cast<std::uint64_t>(data[1].effective) << 32;
}

std::vector<std::uint32_t> own_groups()
{
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, getgroups(0, nullptr))));
    const int count = getgroups(static_cast<int>(groups.size()), groups.data());
    groups.resize(static_cast<std::size_t>(std::max(0, count)));
    groups.push_back(getegid());
    std::sort(groups.begin(), groups.end());
    return {groups.begin(), groups.end()};
}

bool starts_with(const std::string& text, std::string_view prefix)
{
    return text.compare(0, prefix.size(), prefix) == 0;
}

bool is_user_xattr(const std::string& name)
{
    return starts_with(name, "user.");
}

/// Attributes that this machine's policies keep on files (labels, measurements) are no leftovers.
bool is_ours_to_remove(const std::string& name)
{
    return is_user_xattr(name) || name == access_acl || name == default_acl ||
           name == capability_xattr ||
           (starts_with(name, "trusted.") && !starts_with(name, "trusted.overlay."));
}

/// "user.*", and whole names where there is only one.
std::string xattr_kind(const std::string& name)
{
    if (name == access_acl || name == default_acl) {
        return "an access control list";
    }
    if (name == capability_xattr) {
        return "a file capability";
    }
    return "an extended attribute " + name.substr(0, name.find('.')) + ".*";
}

Timestamp modified_of(const struct stat& status)
{
    return {status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec)};
}

} // namespace

struct AttributeSetter::Changes {
    std::optional<std::uint32_t> user_id;
    std::optional<std::uint32_t> group_id;
    std::optional<std::uint32_t> mode;
    std::optional<Timestamp> modified;
    std::vector<std::string> removed_xattrs;
    std::vector<const Xattr*> xattrs;
    std::optional<std::uint64_t> flags; ///< all of the inode's, without those that lock
    std::uint32_t mode_now = 0;
    std::uint64_t locks_now = 0;
    std::uint64_t locks_wanted = 0;
    bool any = false;
    std::vector<std::string>* words = nullptr; ///< where somebody reads them

    bool touches_user_xattrs() const
    {
        return std::any_of(removed_xattrs.begin(), removed_xattrs.end(), is_user_xattr) ||
               std::any_of(xattrs.begin(), xattrs.end(),
                           [](const Xattr* xattr) { return is_user_xattr(xattr->name); });
    }

    template <typename Text>
    void note(Text text)
    {
        any = true;
        if (words != nullptr) {
            words->push_back(text());
        }
    }
};

AttributeSetter::AttributeSetter(Policy policy, Shortfalls& shortfalls)
    : policy_(policy), shortfalls_(shortfalls), capabilities_(effective_capabilities()),
      user_(geteuid()), group_(getegid()), groups_(own_groups())
{
}

Attributes AttributeSetter::wanted(const Entry& entry)
{
    Attributes wanted;
    wanted.kind = entry.kind;
    wanted.mode = entry.mode;
    if (wanted.mode) {
        *wanted.mode &= 07777;
    }
    wanted.user_id = entry.user_id;
    wanted.group_id = entry.group_id;
    if (policy_.owners && !policy_.numeric_owners) {
        const auto user = entry.user.empty() ? std::nullopt : numbers_.user(entry.user);
        const auto group = entry.group.empty() ? std::nullopt : numbers_.group(entry.group);
        wanted.user_id = user ? user : wanted.user_id;
        wanted.group_id = group ? group : wanted.group_id;
    }
    wanted.modified = entry.modified;
    if (entry.file_flags) {
        wanted.file_flags = *entry.file_flags & settable_flags;
    }
    wanted.xattrs = entry.xattrs;
    return wanted;
}

std::uint32_t AttributeSetter::creation_mode(const Attributes& wanted) const
{
    if (!wanted.mode) {
        return 0666;
    }
    const bool owner_stays = !policy_.owners || (wanted.user_id.value_or(user_) == user_ &&
                                                 wanted.group_id.value_or(group_) == group_);
    const bool has_acl = std::any_of(wanted.xattrs.begin(), wanted.xattrs.end(),
                                     [](const Xattr& xattr) { return xattr.name == access_acl; });
    return owner_stays && !has_acl ? (*wanted.mode & 0777) | 0600 : 0600;
}

std::uint64_t AttributeSetter::early_flags(const Attributes& wanted)
{
    return wanted.file_flags.value_or(0) & empty_file_flags;
}

bool AttributeSetter::passes_on(const Inode& folder)
{
    return (folder.flags().value_or(0) & settable_flags & ~lock_flags) != 0 ||
           folder.xattr(std::string(default_acl)).has_value();
}

void AttributeSetter::tell(const std::string* path, const std::string& what, int system_error)
{
    if (path != nullptr) {
        shortfalls_.add(what, *path, system_error);
    }
}

void AttributeSetter::compare_owner(Changes& changes, const struct stat& status,
                                    const Attributes& wanted, const std::string* told_path)
{
    if (!policy_.owners) {
        return;
    }
    const bool any_owner = ((capabilities_ >> CAP_CHOWN) & 1U) != 0;
    bool short_of_right = false;
    if (wanted.user_id && *wanted.user_id != status.st_uid) {
        if (any_owner) {
            changes.user_id = wanted.user_id;
            changes.note(
                [&] { return fmt::format("owner is {}, not {}", status.st_uid, *wanted.user_id); });
        } else {
            short_of_right = true;
        }
    }
    if (wanted.group_id && *wanted.group_id != status.st_gid) {
        const bool member = status.st_uid == user_ &&
                            std::binary_search(groups_.begin(), groups_.end(), *wanted.group_id);
        if (any_owner || member) {
            changes.group_id = wanted.group_id;
            changes.note([&] {
                return fmt::format("group is {}, not {}", status.st_gid, *wanted.group_id);
            });
        } else {
            short_of_right = true;
        }
    }
    if (short_of_right) {
        tell(told_path, "the owner was not set", EPERM);
    }
}

void AttributeSetter::compare_mode(Changes& changes, const struct stat& status,
                                   const Attributes& wanted, const std::string* told_path)
{
    if (!wanted.mode || wanted.kind == EntryKind::symlink) {
        return;
    }
    std::uint32_t mode = *wanted.mode;
    const std::uint32_t owner = changes.user_id.value_or(status.st_uid);
    const std::uint32_t group = changes.group_id.value_or(status.st_gid);
    if (wanted.kind != EntryKind::directory) {
        // Such a bit lends the rights of the owner, and here it would lend somebody else's.
        const std::uint32_t before = mode;
        mode &= wanted.user_id == owner ? ~0U : ~static_cast<std::uint32_t>(S_ISUID);
        mode &= wanted.group_id == group ? ~0U : ~static_cast<std::uint32_t>(S_ISGID);
        if (mode != before) {
            tell(told_path, "set-user-id or set-group-id was left out, for the owner is another",
                 0);
        }
    }
    const std::uint32_t now = status.st_mode & 07777;
    const bool owner_changes = changes.user_id || changes.group_id;
    if (mode != now) {
        changes.note([&] { return fmt::format("mode is {:04o}, not {:04o}", now, mode); });
        changes.mode = mode;
    } else if (owner_changes && (mode & set_id_bits) != 0) {
        changes.mode = mode;
    }
}

bool AttributeSetter::may_set_xattr(const std::string& name) const
{
    const auto has = [&](int capability) { return ((capabilities_ >> capability) & 1U) != 0; };
    if (name == capability_xattr) {
        return has(CAP_SETFCAP);
    }
    return !starts_with(name, "trusted.") || has(CAP_SYS_ADMIN);
}

void AttributeSetter::compare_xattrs(Changes& changes, const Inode& inode, const Attributes& wanted,
                                     Before before, const std::string* told_path)
{
    const auto name_less = [](const Xattr& xattr, const std::string& name) {
        return xattr.name < name;
    };
    if (before == Before::unknown) {
        for (const std::string& name : inode.xattr_names()) {
            const auto at =
                std::lower_bound(wanted.xattrs.begin(), wanted.xattrs.end(), name, name_less);
            const bool stays = at != wanted.xattrs.end() && at->name == name;
            if (!stays && is_ours_to_remove(name) && may_set_xattr(name)) {
                changes.removed_xattrs.push_back(name);
                changes.note([&] { return "it has the attribute " + name; });
            }
        }
    }
    const bool owner_changes = changes.user_id || changes.group_id;
    for (const Xattr& xattr : wanted.xattrs) {
        if (!may_set_xattr(xattr.name)) {
            tell(told_path, xattr_kind(xattr.name) + " was not set", EPERM);
            continue;
        }
        const auto now = before == Before::unknown ? inode.xattr(xattr.name) : std::nullopt;
        if (!now || *now != xattr.value) {
            changes.note([&] { return "the attribute " + xattr.name + " is another"; });
            changes.xattrs.push_back(&xattr);
        } else if (owner_changes && xattr.name == capability_xattr) {
            changes.xattrs.push_back(&xattr);
        }
    }
}

void AttributeSetter::compare_flags(Changes& changes, const Inode& inode, const Attributes& wanted,
                                    Before before, const std::string* told_path)
{
    if (wanted.kind != EntryKind::directory && wanted.kind != EntryKind::file &&
        wanted.kind != EntryKind::image) {
        return;
    }
    if (before == Before::bare && wanted.file_flags.value_or(0) == 0) {
        return;
    }
    const auto now = inode.flags();
    if (!now) {
        if (wanted.file_flags.value_or(0) != 0) {
            tell(told_path, "the file flags were not set", EOPNOTSUPP);
        }
        return;
    }
    std::uint64_t flags = wanted.file_flags.value_or(*now & settable_flags);
    if ((flags & storage_flags) == 0) {
        flags |= *now & storage_flags;
    }
    changes.locks_now = *now & lock_flags;
    if (((capabilities_ >> CAP_LINUX_IMMUTABLE) & 1U) == 0 &&
        (flags & lock_flags) != changes.locks_now) {
        tell(told_path, "the flags that forbid changes were not set", EPERM);
        flags = (flags & ~lock_flags) | changes.locks_now;
    }
    changes.locks_wanted = flags & lock_flags;
    if (flags != (*now & settable_flags)) {
        changes.note([&] {
            return fmt::format("flags are {:#x}, not {:#x}", *now & settable_flags, flags);
        });
    }
    const std::uint64_t unlocked = (*now & ~settable_flags) | (flags & ~lock_flags);
    if (unlocked != (*now & ~lock_flags)) {
        changes.flags = unlocked;
    }
}

void AttributeSetter::compare(Changes& changes, const Inode& inode, const Attributes& wanted,
                              Before before, const std::string* told_path)
{
    const struct stat status = inode.status();
    changes.mode_now = status.st_mode & 07777;
    compare_owner(changes, status, wanted, told_path);
    compare_mode(changes, status, wanted, told_path);
    compare_xattrs(changes, inode, wanted, before, told_path);
    compare_flags(changes, inode, wanted, before, told_path);
    if (wanted.modified && *wanted.modified != modified_of(status)) {
        changes.modified = wanted.modified;
        changes.note([&] {
            return fmt::format("modified at {}, not {}", format_time(modified_of(status)),
                               format_time(*wanted.modified));
        });
    }
}

void AttributeSetter::make(const Changes& changes, const Inode& inode, const Attributes& wanted,
                           const std::string& path)
{
    const auto told = [&](int system_error, const std::string& what) {
        if (system_error != 0) {
            shortfalls_.add(what, path, system_error);
        }
    };
    const auto set = [&](const Xattr& xattr) {
        told(inode.set_xattr(xattr.name, xattr.value), xattr_kind(xattr.name) + " was not set");
    };
    std::optional<std::uint32_t> mode = changes.mode;
    // The kernel asks for the right to write, and the mode to come may not give it to us.
    const bool widen =
        user_ != 0 && changes.touches_user_xattrs() && (changes.mode_now & 0200) == 0;
    if (widen && inode.set_mode(changes.mode_now | 0600) == 0 && !mode) {
        mode = changes.mode_now;
    }
    for (const std::string& name : changes.removed_xattrs) {
        told(inode.remove_xattr(name), xattr_kind(name) + " was not removed");
        if (name == access_acl && !mode) {
            mode = wanted.mode; // what the ACL's mask had taken away shows in the mode again
        }
    }
    for (const Xattr* xattr : changes.xattrs) {
        if (is_user_xattr(xattr->name)) {
            set(*xattr);
        }
    }
    if (changes.user_id || changes.group_id) {
        const int error = inode.set_owner(changes.user_id, changes.group_id);
        told(error, "the owner was not set");
        if (error != 0 && mode && wanted.kind != EntryKind::directory) {
            *mode &= ~set_id_bits;
        }
    }
    if (mode) {
        told(inode.set_mode(*mode), "the mode was not set");
    }
    for (const Xattr* xattr : changes.xattrs) {
        if (!is_user_xattr(xattr->name)) {
            set(*xattr);
        }
    }
    if (changes.flags) {
        set_flags(inode, *changes.flags, path);
    }
    if (changes.modified) {
        told(inode.set_modified(*changes.modified), "the time of change was not set");
    }
}

/// Some file systems refuse all flags for one that they do not have, others leave it out without a
/// word.
void AttributeSetter::set_flags(const Inode& inode, std::uint64_t flags, const std::string& path)
{
    inode.set_flags(flags);
    std::uint64_t now = inode.flags().value_or(0);
    for (const FileFlag& flag : kept_file_flag_list) {
        if (((flags ^ now) & flag.bit) == 0) {
            continue;
        }
        const int error = inode.set_flags(now ^ flag.bit);
        if (error == 0) {
            now = inode.flags().value_or(0);
        }
        if (((flags ^ now) & flag.bit) != 0) {
            shortfalls_.add(fmt::format("the file flag '{}' was not {}", flag.name,
                                        (flags & flag.bit) != 0 ? "set" : "removed"),
                            path, error != 0 ? error : EOPNOTSUPP);
        }
    }
}

std::uint64_t AttributeSetter::apply(const Inode& inode, const Attributes& wanted, Before before,
                                     const std::string& path)
{
    Changes todo;
    compare(todo, inode, wanted, before, &path);
    if (!todo.any) {
        return 0;
    }
    if (todo.locks_now != 0) {
        unlock(inode);
    }
    make(todo, inode, wanted, path);
    return todo.locks_wanted;
}

std::vector<std::string> AttributeSetter::differences(const Inode& inode, const Attributes& wanted)
{
    std::vector<std::string> words;
    Changes found;
    found.words = &words;
    compare(found, inode, wanted, Before::unknown, nullptr);
    return words;
}

std::uint64_t AttributeSetter::unlock(const Inode& inode)
{
    const std::uint64_t flags = inode.flags().value_or(0);
    if ((flags & lock_flags) != 0) {
        inode.set_flags(flags & ~lock_flags);
    }
    return flags & lock_flags;
}

void AttributeSetter::lock(const Inode& inode, std::uint64_t flags, const std::string& path)
{
    const int error = inode.set_flags(inode.flags().value_or(0) | flags);
    if (error != 0) {
        shortfalls_.add("the flags that forbid changes were not set", path, error);
    }
}

} // namespace backstay::core
