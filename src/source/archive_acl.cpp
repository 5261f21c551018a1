#include "source/archive_acl.hpp"

#include "format/posix_acl.hpp"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <fmt/core.h>
#include <optional>
#include <tuple>

namespace backstay::core
{

namespace
{

using Tag = AclLine::Tag;
using Messages = std::vector<std::string>;

std::optional<Tag> kernel_tag(int tag)
{
    switch (tag) {
    case ARCHIVE_ENTRY_ACL_USER_OBJ:
        return Tag::user_object;
    case ARCHIVE_ENTRY_ACL_USER:
        return Tag::user;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
        return Tag::group_object;
    case ARCHIVE_ENTRY_ACL_GROUP:
        return Tag::group;
    case ARCHIVE_ENTRY_ACL_MASK:
        return Tag::mask;
    case ARCHIVE_ENTRY_ACL_OTHER:
        return Tag::other;
    default:
        return std::nullopt;
    }
}

bool is_named(Tag tag)
{
    return tag == Tag::user || tag == Tag::group;
}

/// The number of a line's user or group; of a name alone, this machine's.
std::optional<std::uint32_t> id_of(Tag tag, int number, const char* name, OwnerNumbers& numbers)
{
    if (number >= 0) {
        return static_cast<std::uint32_t>(number);
    }
    if (name == nullptr || *name == '\0') {
        return std::nullopt;
    }
    return tag == Tag::user ? numbers.user(name) : numbers.group(name);
}

const AclLine* find_line(const std::vector<AclLine>& lines, Tag tag)
{
    const auto found = std::find_if(lines.begin(), lines.end(),
                                    [tag](const AclLine& line) { return line.tag == tag; });
    return found != lines.end() ? &*found : nullptr;
}

/// What the kernel would refuse if it were missing: lines of owner, group and others (a default
/// list may lack them), and a mask where users or groups are named.
void complete(std::vector<AclLine>& lines, std::uint32_t mode)
{
    const auto demand = [&lines](Tag tag, std::uint32_t rights) {
        if (find_line(lines, tag) == nullptr) {
            lines.push_back({tag, static_cast<std::uint16_t>(rights & 7U), AclLine::no_id});
        }
    };
    demand(Tag::user_object, mode >> 6);
    demand(Tag::group_object, mode >> 3);
    demand(Tag::other, mode);
    std::uint16_t all_of_group_class = 0;
    bool named = false;
    for (const AclLine& line : lines) {
        named = named || is_named(line.tag);
        const bool in_group_class = is_named(line.tag) || line.tag == Tag::group_object;
        all_of_group_class |= in_group_class ? line.rights : 0;
    }
    if (named) {
        demand(Tag::mask, all_of_group_class);
    }
    std::sort(lines.begin(), lines.end(), [](const AclLine& a, const AclLine& b) {
        return std::tie(a.tag, a.id) < std::tie(b.tag, b.id);
    });
    // Twice the same user: the kernel goes by the first.
    lines.erase(std::unique(lines.begin(), lines.end(),
                            [](const AclLine& a, const AclLine& b) {
                                return a.tag == b.tag && a.id == b.id;
                            }),
                lines.end());
}

std::vector<AclLine> read_lines(archive_entry* from, int wanted, OwnerNumbers& numbers,
                                Messages& lost)
{
    std::vector<AclLine> lines;
    archive_entry_acl_reset(from, wanted);
    int type = 0;
    int rights = 0;
    int tag = 0;
    int number = 0;
    const char* name = nullptr;
    while (archive_entry_acl_next(from, wanted, &type, &rights, &tag, &number, &name) ==
           ARCHIVE_OK) {
        const std::optional<Tag> kind = kernel_tag(tag);
        if (!kind) {
            lost.emplace_back("a line of its access list is of an unknown kind: left out");
            continue;
        }
        const auto id = is_named(*kind) ? id_of(*kind, number, name, numbers) : AclLine::no_id;
        if (!id) {
            lost.push_back(fmt::format("its access list names '{}', who has no number there and is "
                                       "not known here: that line is left out",
                                       name != nullptr ? name : ""));
            continue;
        }
        lines.push_back({*kind, static_cast<std::uint16_t>(rights & 7), *id});
    }
    return lines;
}

void add_list(Entry& entry, const char* name, const std::vector<AclLine>& lines, Messages& lost)
{
    Bytes value = encode_posix_acl(lines);
    if (value.size() > max_xattr_value) {
        lost.emplace_back("its access list is too long: left out");
        return;
    }
    const auto before = [](const Xattr& xattr, std::string_view other) {
        return xattr.name < other;
    };
    const auto at =
        std::lower_bound(entry.xattrs.begin(), entry.xattrs.end(), std::string_view(name), before);
    if (at == entry.xattrs.end() || at->name != name) {
        entry.xattrs.insert(at, {name, std::move(value)});
    }
}

} // namespace

Messages ArchiveAcls::take(archive_entry* from, Entry& entry)
{
    Messages lost;
    const int types = archive_entry_acl_types(from);
    if ((types & ARCHIVE_ENTRY_ACL_TYPE_NFS4) != 0) {
        lost.emplace_back("its access list is of NFSv4's kind, which is not kept: left out");
    }
    const std::uint32_t mode = entry.mode.value_or(0);
    if ((types & ARCHIVE_ENTRY_ACL_TYPE_ACCESS) != 0) {
        std::vector<AclLine> lines =
            read_lines(from, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, numbers_, lost);
        complete(lines, mode);
        if (const AclLine* mask = find_line(lines, Tag::mask)) {
            entry.mode = (mode & ~070U) | static_cast<std::uint32_t>(mask->rights) << 3U;
            add_list(entry, access_acl_name, lines, lost);
        }
    }
    if ((types & ARCHIVE_ENTRY_ACL_TYPE_DEFAULT) != 0) {
        std::vector<AclLine> lines =
            read_lines(from, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, numbers_, lost);
        if (!lines.empty()) {
            complete(lines, mode);
            add_list(entry, default_acl_name, lines, lost);
        }
    }
    return lost;
}

} // namespace backstay::core
