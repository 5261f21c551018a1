#pragma once

#include "base/bytes.hpp"
#include "postgres/log_position.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace backstay::core
{

inline constexpr std::size_t usual_page_size = 8192;

/// The checksum that PostgreSQL keeps in a page: of its bytes (its own field counted as zero) and
/// of its number in the relation.
std::uint16_t page_checksum(ByteSpan page, std::uint32_t block);

/// Whether a page has the checksum of its bytes as this block, or is new and has none.
bool page_fits(ByteSpan page, std::uint32_t block);
/// Gives a page that is not new the checksum of its bytes.
void seal_page(MutableByteSpan page, std::uint32_t block);

/// Checks a relation file's pages while its bytes pass by. What lies at or behind `start` of the
/// log is left out, for recovery writes it anew, and so are new pages. One thread at a time.
class PageCheck
{
public:
    struct Settings {
        std::size_t page_size = usual_page_size; ///< a multiple of 128
        std::uint32_t segment_blocks = 131072;
        LogPosition start = 0;
    };
    PageCheck(Settings settings, std::uint32_t segment);

    void update(ByteSpan bytes);

    /// What comes next is this block of the segment. Requires: whole pages came before.
    void seek(std::uint32_t block) { block_ = first_ + block; }

    struct Bad {
        std::uint32_t block; ///< of the relation, counted over its segments
        std::uint16_t stored;
        std::uint16_t computed;
    };
    /// The first `most_kept` bad pages; count() has all.
    const std::vector<Bad>& bad() const { return bad_; }
    std::uint64_t count() const { return count_; }
    static constexpr std::size_t most_kept = 100;

private:
    void check(ByteSpan page);

    Settings settings_;
    std::uint32_t first_; ///< block of the segment
    std::uint32_t block_;
    Bytes part_; ///< of a page that is not whole yet
    std::vector<Bad> bad_;
    std::uint64_t count_ = 0;
};

/// "2 pages do not fit their checksums: block 3 (has …". Requires: there are any.
std::string bad_pages_text(const PageCheck& pages);

} // namespace backstay::core
