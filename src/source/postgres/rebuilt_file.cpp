#include "source/postgres/rebuilt_file.hpp"

#include "base/error.hpp"
#include "source/data_source.hpp"

#include <algorithm>
#include <cassert>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t read_at_a_time = 1 * MiB;

std::uint32_t sum_of(ByteSpan bytes)
{
    Crc32c sum;
    sum.update(bytes);
    return sum.value();
}

} // namespace

void read_earlier_file(SnapshotStream& stream, std::uint64_t offset, MutableByteSpan buffer,
                       const std::stop_token& stop)
{
    try {
        stream.read_at(offset, buffer, stop); // as far as its size, which is a promise
    } catch (const Error& error) {
        const bool is_lost = error.code() == ErrorCode::damaged ||
                             error.code() == ErrorCode::not_found ||
                             error.code() == ErrorCode::denied;
        if (!is_lost) {
            throw;
        }
        throw ParentUnreadable(error.code(),
                               fmt::format("the parent snapshot cannot be read: {}", error.what()),
                               error.subject());
    }
}

RebuiltFile::RebuiltFile(IncrementalHead head, std::size_t page_size, std::size_t piece,
                         Earlier earlier, NextPage next_page, std::stop_token stop)
    : head_(std::move(head)), page_size_(page_size), piece_size_(piece),
      earlier_(std::move(earlier)), next_page_(std::move(next_page)), stop_(std::move(stop)),
      size_(std::uint64_t{head_.length()} * page_size), earlier_size_(earlier_.stream->size()),
      kept_end_(std::min(std::uint64_t{head_.truncation} * page_size,
                         earlier_size_ / page_size * page_size)),
      common_(std::min(size_, earlier_size_))
{
    assert(piece % page_size == 0);
}

std::uint64_t RebuiltFile::piece_end(std::uint64_t piece) const
{
    return std::min(size_, (piece + 1) * piece_size_);
}

/// No block of it was sent, and it is the same piece of the earlier file.
bool RebuiltFile::is_kept(std::uint64_t piece) const
{
    const std::uint64_t end = piece_end(piece);
    const bool same_end =
        end <= kept_end_ && end == std::min(earlier_size_, (piece + 1) * piece_size_);
    if (!same_end) {
        return false;
    }
    const auto first = static_cast<std::uint32_t>(piece * piece_size_ / page_size_);
    const auto sent = std::lower_bound(head_.blocks.begin(), head_.blocks.end(), first);
    return sent == head_.blocks.end() || std::uint64_t{*sent} * page_size_ >= end;
}

std::optional<SnapshotStream::Extent> RebuiltFile::next_kept(std::uint64_t offset) const
{
    const std::uint64_t pieces = (size_ + piece_size_ - 1) / piece_size_;
    std::uint64_t piece = (offset + piece_size_ - 1) / piece_size_;
    while (piece < pieces && !is_kept(piece)) {
        ++piece;
    }
    if (piece >= pieces) {
        return std::nullopt;
    }
    const std::uint64_t begin = piece * piece_size_;
    while (piece < pieces && is_kept(piece)) {
        ++piece;
    }
    return SnapshotStream::Extent{begin, std::min(size_, piece * piece_size_)};
}

std::size_t RebuiltFile::read(std::uint64_t offset, MutableByteSpan buffer)
{
    skip_to(offset);
    std::size_t got = 0;
    while (got < buffer.size() && offset < size_) {
        if (offset >= loaded_) {
            load_piece();
        }
        const auto at = static_cast<std::size_t>(offset - piece_at_);
        const std::size_t part = std::min(piece_.size() - at, buffer.size() - got);
        std::copy_n(piece_.begin() + static_cast<std::ptrdiff_t>(at), part,
                    buffer.begin() + static_cast<std::ptrdiff_t>(got));
        got += part;
        offset += part;
    }
    return got;
}

/// What is skipped is the earlier file's: a difference of sums before it shifts.
void RebuiltFile::skip_to(std::uint64_t offset)
{
    const std::uint64_t before = loaded_;
    while (loaded_ < size_ && piece_end(loaded_ / piece_size_) <= offset) {
        if (!is_kept(loaded_ / piece_size_)) {
            throw Error(ErrorCode::source, "changed blocks of a file were not read");
        }
        loaded_ = piece_end(loaded_ / piece_size_);
    }
    difference_ = crc32c_shift(difference_, loaded_ - before);
}

void RebuiltFile::load_piece()
{
    const std::uint64_t begin = loaded_;
    const std::uint64_t end = piece_end(begin / piece_size_);
    Bytes earlier = begin < earlier_size_
                        ? read_earlier(begin, std::min(earlier_size_, begin + piece_size_))
                        : Bytes();
    piece_.assign(static_cast<std::size_t>(end - begin), 0);
    if (begin < kept_end_) {
        std::copy_n(earlier.begin(), std::min(end, kept_end_) - begin, piece_.begin());
    }
    for (; next_block_ < head_.blocks.size(); ++next_block_) {
        const std::uint64_t at = std::uint64_t{head_.blocks[next_block_]} * page_size_;
        if (at >= end) {
            break;
        }
        next_page_(head_.blocks[next_block_],
                   MutableByteSpan(piece_).subspan(at - begin, page_size_));
    }
    const auto shared =
        begin < common_ ? static_cast<std::size_t>(std::min(end, common_) - begin) : 0;
    difference_ = crc32c_shift(difference_, shared) ^ sum_of(ByteSpan(piece_).first(shared)) ^
                  sum_of(ByteSpan(earlier).first(shared));
    behind_.update(ByteSpan(piece_).subspan(shared));
    piece_at_ = begin;
    loaded_ = end;
}

Bytes RebuiltFile::read_earlier(std::uint64_t begin, std::uint64_t end) const
{
    Bytes bytes(static_cast<std::size_t>(end - begin));
    read_earlier_file(*earlier_.stream, begin, bytes, stop_);
    return bytes;
}

std::uint32_t RebuiltFile::sum_of_earlier(std::uint64_t begin, std::uint64_t end) const
{
    Crc32c sum;
    while (begin < end) {
        const std::uint64_t next = std::min<std::uint64_t>(end, begin + read_at_a_time);
        sum.update(read_earlier(begin, next));
        begin = next;
    }
    return sum.value();
}

/// Of the earlier file's first bytes: by reading those, or what follows them, whichever is less.
std::uint32_t RebuiltFile::sum_of_earlier_part(std::uint64_t end) const
{
    const std::uint64_t rest = earlier_size_ - end;
    if (end < rest) {
        return sum_of_earlier(0, end);
    }
    return crc32c_unshift(earlier_.crc32c ^ sum_of_earlier(end, earlier_size_), rest);
}

std::uint32_t RebuiltFile::finish()
{
    skip_to(size_);
    const std::uint32_t begin = sum_of_earlier_part(common_) ^ difference_;
    return crc32c_shift(begin, size_ - common_) ^ behind_.value();
}

} // namespace backstay::core
