#include "postgres/archive_splitter.hpp"

#include "base/error.hpp"
#include "postgres/archive_format.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t buffer_size = 256 * KiB;

[[noreturn]] void refuse(const std::string& what)
{
    throw Error(ErrorCode::damaged, what);
}

} // namespace

PostgresArchiveSplitter::PostgresArchiveSplitter(Read read)
    : read_(std::move(read)), buffer_(buffer_size)
{
}

/// Whether that many bytes are there (at most the buffer's size) before the end.
bool PostgresArchiveSplitter::fill(std::size_t wanted)
{
    if (tail_ - head_ >= wanted) {
        return true;
    }
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(head_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(tail_), buffer_.begin());
    tail_ -= head_;
    head_ = 0;
    if (!at_end_) {
        const std::size_t room = buffer_.size() - tail_;
        const std::size_t got = read_(MutableByteSpan(buffer_).subspan(tail_));
        tail_ += got;
        at_end_ = got < room;
    }
    return tail_ - head_ >= wanted;
}

std::uint8_t PostgresArchiveSplitter::take_byte()
{
    if (!fill(1)) {
        refuse("the archive ends in the middle of its data");
    }
    return buffer_[head_++];
}

/// `raw`: gets its bytes, too.
std::int64_t PostgresArchiveSplitter::take_integer(Bytes* raw)
{
    if (!fill(postgres_integer_size)) {
        refuse("the archive ends in the middle of its data");
    }
    const ByteSpan bytes = buffered().first(postgres_integer_size);
    const std::optional<std::int64_t> value = decode_postgres_integer(bytes);
    if (!value) {
        refuse("a number in the archive's data is none");
    }
    if (raw != nullptr) {
        append(*raw, bytes);
    }
    head_ += bytes.size();
    return *value;
}

std::optional<PostgresArchiveSplitter::Part> PostgresArchiveSplitter::next()
{
    if (!std::exchange(begun_, true)) {
        return open_contents();
    }
    Bytes passed_over(within_ == Within::nothing ? 0 : buffer_size);
    while (within_ != Within::nothing) {
        read(passed_over);
    }
    return toc_ ? open_block() : std::nullopt;
}

PostgresArchiveSplitter::Part PostgresArchiveSplitter::open_contents()
{
    PostgresTocReader reader;
    PostgresTocReader::State state = PostgresTocReader::State::incomplete;
    while (state == PostgresTocReader::State::incomplete && fill(1)) {
        state = reader.feed(buffered());
        head_ = tail_;
    }
    if (state == PostgresTocReader::State::complete) {
        Bytes rest;
        toc_ = reader.take(rest);
        // No more than was fed last.
        std::copy(rest.begin(), rest.end(), buffer_.begin());
        head_ = 0;
        tail_ = rest.size();
        within_ = Within::head;
        return {Part::Kind::contents, nullptr};
    }
    why_ = state == PostgresTocReader::State::foreign ? reader.why()
                                                      : "its table of contents ends too early";
    whole_ = reader.bytes();
    within_ = Within::whole;
    return {Part::Kind::whole, nullptr};
}

std::optional<PostgresArchiveSplitter::Part> PostgresArchiveSplitter::open_block()
{
    if (!fill(1)) {
        return std::nullopt;
    }
    const std::uint8_t kind = take_byte();
    const std::int64_t id = take_integer();
    if (kind != postgres_block_data && kind != postgres_block_objects) {
        refuse(fmt::format("the archive has a block of an unknown kind ({})", kind));
    }
    const std::vector<PostgresTocEntry>& entries = toc_->entries();
    const auto found = std::find_if(
        entries.begin() + static_cast<std::ptrdiff_t>(place_), entries.end(),
        [id](const PostgresTocEntry& entry) { return entry.dump_id == id && entry.has_data; });
    // In this order the blocks are joined again.
    if (found == entries.end() || found->holds_objects() != (kind == postgres_block_objects)) {
        refuse(fmt::format("the archive has a block ({}) that its table of contents does not tell, "
                           "or not there",
                           id));
    }
    place_ = static_cast<std::size_t>(found - entries.begin()) + 1;
    piece_ = 0;
    raw_.clear();
    if (found->has_rows()) {
        within_ = Within::rows;
        return Part{Part::Kind::rows, &*found};
    }
    within_ = kind == postgres_block_data ? Within::data : Within::objects;
    return Part{Part::Kind::block, &*found};
}

std::size_t PostgresArchiveSplitter::read(MutableByteSpan buffer)
{
    switch (within_) {
    case Within::nothing:
        return 0;
    case Within::head:
    case Within::whole:
        return read_head(buffer);
    case Within::rows:
        return read_rows(buffer);
    default:
        return read_pieces(buffer);
    }
}

/// The table of contents, or the beginning of a whole that is not known and what follows it.
std::size_t PostgresArchiveSplitter::read_head(MutableByteSpan buffer)
{
    const ByteSpan kept = within_ == Within::head ? toc_->bytes() : ByteSpan(whole_);
    std::size_t done = std::min(buffer.size(), kept.size() - given_);
    std::copy_n(kept.begin() + static_cast<std::ptrdiff_t>(given_), done, buffer.begin());
    given_ += done;
    while (within_ == Within::whole && done < buffer.size() && fill(1)) {
        piece_ = tail_ - head_;
        done += copy_piece(buffer.subspan(done));
    }
    if (done < buffer.size()) {
        within_ = Within::nothing;
        whole_ = {};
    }
    return done;
}

/// As much of the piece as is buffered and fits.
std::size_t PostgresArchiveSplitter::copy_piece(MutableByteSpan buffer)
{
    if (!fill(1)) {
        refuse("the archive ends in the middle of its data");
    }
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>({piece_, buffer.size(), tail_ - head_}));
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(head_), size, buffer.begin());
    head_ += size;
    piece_ -= size;
    return size;
}

std::size_t PostgresArchiveSplitter::read_rows(MutableByteSpan buffer)
{
    std::size_t done = 0;
    while (done < buffer.size()) {
        if (piece_ == 0 && !next_row_piece()) {
            within_ = Within::nothing;
            break;
        }
        done += copy_piece(buffer.subspan(done));
    }
    return done;
}

/// False at the block's end.
bool PostgresArchiveSplitter::next_row_piece()
{
    const std::int64_t size = take_integer();
    if (size < 0) {
        refuse("a row in the archive's data has no length");
    }
    const bool may_be_mark = size == static_cast<std::int64_t>(postgres_rows_end.size());
    if (may_be_mark && fill(postgres_rows_end.size() + postgres_integer_size)) {
        const std::string_view here = as_text(buffered());
        const ByteSpan behind = buffered().subspan(postgres_rows_end.size());
        if (here.starts_with(postgres_rows_end) &&
            decode_postgres_integer(behind.first(postgres_integer_size)) == 0) {
            head_ += postgres_rows_end.size() + postgres_integer_size;
            return false;
        }
    }
    piece_ = static_cast<std::uint64_t>(size);
    return size != 0;
}

/// Blocks that are given as they stand: lengths, and what they count; with large objects each
/// object's number before, and a zero behind it.
std::size_t PostgresArchiveSplitter::read_pieces(MutableByteSpan buffer)
{
    std::size_t done = 0;
    while (done < buffer.size()) {
        if (!raw_.empty()) {
            const std::size_t size = std::min(raw_.size(), buffer.size() - done);
            std::copy_n(raw_.begin(), size, buffer.begin() + static_cast<std::ptrdiff_t>(done));
            raw_.erase(raw_.begin(), raw_.begin() + static_cast<std::ptrdiff_t>(size));
            done += size;
        } else if (piece_ > 0) {
            done += copy_piece(buffer.subspan(done));
        } else if (within_ == Within::nothing) {
            break;
        } else {
            next_piece();
        }
    }
    return done;
}

void PostgresArchiveSplitter::next_piece()
{
    const std::int64_t number = take_integer(&raw_);
    if (within_ == Within::objects) {
        within_ = number != 0 ? Within::object : Within::nothing;
    } else if (number < 0) {
        refuse("a piece of the archive's data has no length");
    } else if (number > 0) {
        piece_ = static_cast<std::uint64_t>(number);
    } else {
        within_ = within_ == Within::object ? Within::objects : Within::nothing;
    }
    if (within_ == Within::nothing) {
        raw_.clear(); // the last zero
    }
}

} // namespace backstay::core
