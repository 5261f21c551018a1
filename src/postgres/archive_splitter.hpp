#pragma once

#include "postgres/archive_toc.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace backstay::core
{

/// Takes an archive of pg_dump (custom format, uncompressed) apart while it streams: first header
/// and table of contents, then each data block by itself, in the archive's order.
///
/// A block of rows is given as COPY's text, without the lengths that pg_dump puts before each row
/// and without the end mark; any other block (large objects) as it stands, without its head and its
/// last zero. PostgresArchiveJoiner makes the archive again. One thread at a time.
class PostgresArchiveSplitter
{
public:
    /// Fills the buffer as far as there is something: short only at the end.
    using Read = std::function<std::size_t(MutableByteSpan)>;
    explicit PostgresArchiveSplitter(Read read);

    struct Part {
        enum class Kind : std::uint8_t {
            contents, ///< header and table of contents
            rows,     ///< a table's
            block,    ///< other data
            whole,    ///< all of an archive that is not known: why() says
        };
        Kind kind = Kind::contents;
        const PostgresTocEntry* entry = nullptr; ///< of rows and blocks
    };
    /// What is left of the part before is passed over. Empty at the archive's end. Throws
    /// Error{damaged} where the archive ends in the middle or is none any more.
    std::optional<Part> next();
    /// Bytes of the part: short only at its end. Throws as next().
    std::size_t read(MutableByteSpan buffer);

    /// Known once the first part was given, unless the archive is not understood.
    const PostgresToc* contents() const { return toc_ ? &*toc_ : nullptr; }
    const std::string& why() const { return why_; }

private:
    enum class Within : std::uint8_t { nothing, head, rows, data, objects, object, whole };
    Part open_contents();
    std::optional<Part> open_block();
    std::size_t read_head(MutableByteSpan buffer);
    std::size_t read_rows(MutableByteSpan buffer);
    std::size_t read_pieces(MutableByteSpan buffer);
    bool next_row_piece();
    void next_piece();
    std::size_t copy_piece(MutableByteSpan buffer);
    bool fill(std::size_t wanted);
    std::uint8_t take_byte();
    std::int64_t take_integer(Bytes* raw = nullptr);
    ByteSpan buffered() const { return ByteSpan(buffer_).subspan(head_, tail_ - head_); }

    Read read_;
    Bytes buffer_;
    std::size_t head_ = 0; ///< first byte that was not taken
    std::size_t tail_ = 0;
    bool at_end_ = false;
    std::optional<PostgresToc> toc_;
    Bytes whole_; ///< what was read of an archive that is not known
    std::string why_;
    bool begun_ = false;
    Within within_ = Within::nothing;
    std::size_t given_ = 0;   ///< of the table of contents
    std::size_t place_ = 0;   ///< the block after the last one stands here or later in the table
    std::uint64_t piece_ = 0; ///< bytes left of a row or piece
    Bytes raw_;               ///< lengths and numbers that are given as they stand
};

} // namespace backstay::core
