#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace backstay::core
{

/// One member of an archive, as far as PostgreSQL writes them.
struct TarMember {
    enum class Kind : std::uint8_t { file, folder, symlink };
    Kind kind = Kind::file;
    std::string path;        ///< without "./" in front and '/' at the end
    std::string link_target; ///< of a symlink
    std::uint64_t size = 0;
    std::uint32_t mode = 0;
    std::uint32_t user_id = 0;
    std::uint32_t group_id = 0;
    std::int64_t modified = 0; ///< seconds since 1970
};

/// Reads the ustar archives that a server streams: members one after the other, each's bytes before
/// the next. Names longer than its header holds do not occur: the server refuses to send them. The
/// archive may end with two blocks of zeros or right behind a member. One thread at a time.
class TarReader
{
public:
    /// Gives the archive's next bytes, valid until the next call; empty at its end.
    using More = std::function<ByteSpan()>;
    explicit TarReader(More more) : more_(std::move(more)) {}

    /// Skips what is left of the member before. Empty at the end of the archive. Throws
    /// Error{damaged} for what is no such archive.
    std::optional<TarMember> next();
    /// The member's next bytes; 0 only at its end. Throws Error{damaged} where the archive ends
    /// within it.
    std::size_t read(MutableByteSpan buffer);

private:
    bool fill();
    void skip(std::uint64_t count);
    bool read_block(std::array<std::uint8_t, 512>& block);

    More more_;
    ByteSpan piece_;
    std::uint64_t left_ = 0;    ///< of the member
    std::uint64_t padding_ = 0; ///< behind it
    std::string path_;
    bool ended_ = false;
};

} // namespace backstay::core
