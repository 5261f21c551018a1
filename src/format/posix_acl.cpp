#include "format/posix_acl.hpp"

#include <algorithm>
#include <array>

namespace backstay::core
{

namespace
{

constexpr std::uint32_t version = 2;
constexpr std::size_t head_size = 4;
constexpr std::size_t line_size = 8;

void append_little_endian(Bytes& out, std::uint32_t value, std::size_t size)
{
    for (std::size_t i = 0; i < size; ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

std::uint32_t little_endian(ByteSpan bytes)
{
    std::uint32_t value = 0;
    for (std::size_t at = bytes.size(); at > 0; --at) {
        value = value << 8U | bytes[at - 1];
    }
    return value;
}

bool is_tag(std::uint32_t value)
{
    constexpr std::array<std::uint32_t, 6> tags{0x01, 0x02, 0x04, 0x08, 0x10, 0x20};
    return std::find(tags.begin(), tags.end(), value) != tags.end();
}

} // namespace

Bytes encode_posix_acl(const std::vector<AclLine>& lines)
{
    Bytes out;
    append_little_endian(out, version, head_size);
    for (const AclLine& line : lines) {
        append_little_endian(out, static_cast<std::uint16_t>(line.tag), 2);
        append_little_endian(out, line.rights, 2);
        append_little_endian(out, line.id, 4);
    }
    return out;
}

std::optional<std::vector<AclLine>> decode_posix_acl(ByteSpan bytes)
{
    if (bytes.size() < head_size || (bytes.size() - head_size) % line_size != 0 ||
        little_endian(bytes.first(head_size)) != version) {
        return std::nullopt;
    }
    std::vector<AclLine> lines;
    for (ByteSpan rest = bytes.subspan(head_size); !rest.empty(); rest = rest.subspan(line_size)) {
        const std::uint32_t tag = little_endian(rest.first(2));
        if (!is_tag(tag)) {
            return std::nullopt;
        }
        lines.push_back({static_cast<AclLine::Tag>(tag),
                         static_cast<std::uint16_t>(little_endian(rest.subspan(2, 2))),
                         little_endian(rest.subspan(4, 4))});
    }
    return lines;
}

} // namespace backstay::core
