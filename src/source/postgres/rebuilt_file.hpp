#pragma once

#include "format/snapshot_view.hpp"
#include "postgres/crc32c.hpp"
#include "postgres/incremental_file.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace backstay::core
{

/// Bytes of an earlier backup's file; throws ParentUnreadable if they are lost. Requires: the file
/// has them.
void read_earlier_file(SnapshotStream& stream, std::uint64_t offset, MutableByteSpan buffer,
                       const std::stop_token& stop);

/// A relation's whole file out of the earlier backup's and the blocks that an incremental backup
/// sent: read in order, once. What lies on pieces of a grid without any such block need not be
/// read. One thread at a time.
class RebuiltFile
{
public:
    struct Earlier {
        std::unique_ptr<SnapshotStream> stream;
        std::uint32_t crc32c = 0; ///< of all of it
    };
    /// Fills a page with the next block that was sent, which is this one.
    using NextPage = std::function<void(std::uint32_t block, MutableByteSpan page)>;

    /// `piece`: the grid's, a multiple of the page size.
    RebuiltFile(IncrementalHead head, std::size_t page_size, std::size_t piece, Earlier earlier,
                NextPage next_page, std::stop_token stop);

    std::uint64_t size() const { return size_; }

    /// The next stretch, from `offset` on, that is whole pieces of the earlier file.
    std::optional<SnapshotStream::Extent> next_kept(std::uint64_t offset) const;

    /// In order; an offset further on skips what next_kept() gave. Short only at the end.
    std::size_t read(std::uint64_t offset, MutableByteSpan buffer);

    /// The sum of the whole file, reckoned from the earlier one's where that was not read. Takes
    /// the rest of it as kept. Throws Error{source} if blocks that were sent were not read.
    std::uint32_t finish();

private:
    bool is_kept(std::uint64_t piece) const;
    std::uint64_t piece_end(std::uint64_t piece) const;
    void skip_to(std::uint64_t offset);
    void load_piece();
    Bytes read_earlier(std::uint64_t begin, std::uint64_t end) const;
    std::uint32_t sum_of_earlier(std::uint64_t begin, std::uint64_t end) const;
    std::uint32_t sum_of_earlier_part(std::uint64_t end) const;

    const IncrementalHead head_;
    const std::size_t page_size_;
    const std::size_t piece_size_;
    const Earlier earlier_;
    const NextPage next_page_;
    const std::stop_token stop_;
    const std::uint64_t size_;
    const std::uint64_t earlier_size_;
    const std::uint64_t kept_end_; ///< behind it, nothing of the earlier file counts
    const std::uint64_t common_;   ///< bytes that both files have

    std::uint64_t loaded_ = 0; ///< pieces up to here were loaded or skipped
    Bytes piece_;              ///< the last one loaded, as it is now
    std::uint64_t piece_at_ = 0;
    std::size_t next_block_ = 0; ///< of head_.blocks
    /// Of the sums, ours and the earlier file's, of what both have and was passed.
    std::uint32_t difference_ = 0;
    Crc32c behind_; ///< what only we have
};

} // namespace backstay::core
