#include "postgres/tar_reader.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <numeric>

namespace backstay::core
{

namespace
{

// POSIX.1-1988, "ustar": where a header's fields lie.
constexpr std::size_t block_size = 512;
using Block = std::array<std::uint8_t, block_size>;
struct Field {
    std::size_t at;
    std::size_t size;
};
constexpr Field name_field{0, 100};
constexpr Field mode_field{100, 8};
constexpr Field user_field{108, 8};
constexpr Field group_field{116, 8};
constexpr Field size_field{124, 12};
constexpr Field time_field{136, 12};
constexpr Field checksum_field{148, 8};
constexpr std::size_t type_at = 156;
constexpr Field link_field{157, 100};
constexpr Field magic_field{257, 5};
constexpr Field prefix_field{345, 155};

std::string text_of(const Block& block, Field field)
{
    const auto* begin = reinterpret_cast<const char*>(block.data() + field.at);
    return {begin, std::find(begin, begin + field.size, '\0')};
}

/// Octal digits ended by a blank or NUL, or, with the top bit set, a big-endian number. Throws
/// Error{damaged}.
std::uint64_t number_of(const Block& block, Field field, const std::string& path)
{
    const std::uint8_t* bytes = block.data() + field.at;
    std::uint64_t value = 0;
    if ((bytes[0] & 0x80) != 0) {
        for (std::size_t i = 0; i < field.size; ++i) {
            const std::uint8_t byte = i == 0 ? bytes[i] & 0x7F : bytes[i];
            if (value >> 55 != 0) {
                throw Error(ErrorCode::damaged, "a number in a tar header is too large", path);
            }
            value = value << 8 | byte;
        }
        return value;
    }
    std::size_t at = 0;
    while (at < field.size && bytes[at] == ' ') {
        ++at;
    }
    for (; at < field.size && bytes[at] != ' ' && bytes[at] != '\0'; ++at) {
        if (bytes[at] < '0' || bytes[at] > '7') {
            throw Error(ErrorCode::damaged, "a number in a tar header is none", path);
        }
        value = value << 3 | static_cast<std::uint64_t>(bytes[at] - '0');
    }
    return value;
}

std::uint64_t checksum_of(const Block& block)
{
    const std::uint64_t all = std::accumulate(block.begin(), block.end(), std::uint64_t{0});
    const auto begin = block.begin() + checksum_field.at;
    const std::uint64_t own = std::accumulate(begin, begin + checksum_field.size, std::uint64_t{0});
    return all - own + checksum_field.size * ' ';
}

std::string path_of(const Block& block)
{
    std::string path = text_of(block, name_field);
    if (const std::string prefix = text_of(block, prefix_field); !prefix.empty()) {
        path = prefix + "/" + path;
    }
    while (path.starts_with("./")) {
        path.erase(0, 2);
    }
    while (path.ends_with('/')) {
        path.pop_back();
    }
    return path;
}

TarMember member_of(const Block& block)
{
    TarMember member;
    member.path = path_of(block);
    if (as_text(ByteSpan(block).subspan(magic_field.at, magic_field.size)) != "ustar" ||
        number_of(block, checksum_field, member.path) != checksum_of(block)) {
        throw Error(ErrorCode::damaged, "what the server sent is no tar archive", member.path);
    }
    switch (block[type_at]) {
    case '0':
    case '\0':
        member.kind = TarMember::Kind::file;
        member.size = number_of(block, size_field, member.path);
        break;
    case '5':
        member.kind = TarMember::Kind::folder;
        break;
    case '2':
        member.kind = TarMember::Kind::symlink;
        member.link_target = text_of(block, link_field);
        break;
    default:
        throw Error(ErrorCode::damaged,
                    fmt::format("a tar member has the unknown type {}", block[type_at]),
                    member.path);
    }
    member.mode = static_cast<std::uint32_t>(number_of(block, mode_field, member.path) & 07777);
    member.user_id = static_cast<std::uint32_t>(number_of(block, user_field, member.path));
    member.group_id = static_cast<std::uint32_t>(number_of(block, group_field, member.path));
    member.modified = static_cast<std::int64_t>(number_of(block, time_field, member.path));
    return member;
}

} // namespace

bool TarReader::fill()
{
    while (piece_.empty() && !ended_) {
        piece_ = more_();
        ended_ = piece_.empty();
    }
    return !piece_.empty();
}

/// False if the archive ends before it. Throws Error{damaged} if it ends within it.
bool TarReader::read_block(Block& block)
{
    std::size_t got = 0;
    while (got < block.size() && fill()) {
        const std::size_t size = std::min(piece_.size(), block.size() - got);
        std::copy_n(piece_.begin(), size, block.begin() + static_cast<std::ptrdiff_t>(got));
        piece_ = piece_.subspan(size);
        got += size;
    }
    if (got > 0 && got < block.size()) {
        throw Error(ErrorCode::damaged, "the server's archive ends within a header", path_);
    }
    return got > 0;
}

void TarReader::skip(std::uint64_t count)
{
    while (count > 0) {
        if (!fill()) {
            throw Error(ErrorCode::damaged, "the server's archive ends within a member", path_);
        }
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, piece_.size()));
        piece_ = piece_.subspan(size);
        count -= size;
    }
}

std::optional<TarMember> TarReader::next()
{
    skip(left_);
    skip(padding_);
    left_ = 0;
    padding_ = 0;
    Block block;
    if (!read_block(block)) {
        return std::nullopt;
    }
    if (std::all_of(block.begin(), block.end(), [](std::uint8_t byte) { return byte == 0; })) {
        while (fill()) {
            piece_ = {}; // the rest of the trailer
        }
        return std::nullopt;
    }
    TarMember member = member_of(block);
    path_ = member.path;
    left_ = member.size;
    padding_ = (block_size - member.size % block_size) % block_size;
    return member;
}

std::size_t TarReader::read(MutableByteSpan buffer)
{
    std::size_t got = 0;
    while (got < buffer.size() && left_ > 0) {
        if (!fill()) {
            throw Error(ErrorCode::damaged, "the server's archive ends within a member", path_);
        }
        const auto size = static_cast<std::size_t>(
            std::min<std::uint64_t>({left_, piece_.size(), buffer.size() - got}));
        std::copy_n(piece_.begin(), size, buffer.begin() + static_cast<std::ptrdiff_t>(got));
        piece_ = piece_.subspan(size);
        left_ -= size;
        got += size;
    }
    return got;
}

} // namespace backstay::core
