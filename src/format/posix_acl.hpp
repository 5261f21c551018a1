#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace backstay::core
{

inline constexpr const char* access_acl_name = "system.posix_acl_access";
inline constexpr const char* default_acl_name = "system.posix_acl_default";

/// A line of a POSIX access control list; the numbers are the kernel's.
struct AclLine {
    enum class Tag : std::uint16_t {
        user_object = 0x01, ///< the owner
        user = 0x02,
        group_object = 0x04, ///< the owning group
        group = 0x08,
        mask = 0x10,
        other = 0x20,
    };
    static constexpr std::uint32_t no_id = UINT32_MAX;

    Tag tag = Tag::other;
    std::uint16_t rights = 0; ///< 4 read, 2 write, 1 execute
    std::uint32_t id = no_id; ///< of user and group lines
    auto operator<=>(const AclLine&) const = default;
};

/// As the extended attributes hold it (linux/posix_acl_xattr.h). `lines` in their own order, which
/// is the kernel's.
Bytes encode_posix_acl(const std::vector<AclLine>& lines);

/// Empty if the bytes are no such list.
std::optional<std::vector<AclLine>> decode_posix_acl(ByteSpan bytes);

} // namespace backstay::core
