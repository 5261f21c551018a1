#include "postgres/archive_joiner.hpp"

#include "base/error.hpp"
#include "postgres/archive_format.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t output_size = 256 * KiB;
constexpr std::size_t largest_piece = 1 * MiB;

} // namespace

PostgresArchiveJoiner::PostgresArchiveJoiner(const PostgresToc& contents, Sink sink)
    : contents_(contents), sink_(std::move(sink))
{
    put(contents.bytes());
}

void PostgresArchiveJoiner::begin_block(const PostgresTocEntry& entry)
{
    assert(open_ == nullptr);
    const std::vector<PostgresTocEntry>& entries = contents_.entries();
    const auto at = static_cast<std::size_t>(&entry - entries.data());
    if (at < place_ || at >= entries.size() || !entry.has_data) {
        throw Error(ErrorCode::invalid, "a block of the archive comes out of its order",
                    entry.block_name);
    }
    place_ = at + 1;
    open_ = &entry;
    out_.push_back(entry.holds_objects() ? postgres_block_objects : postgres_block_data);
    put_integer(entry.dump_id);
}

void PostgresArchiveJoiner::add(ByteSpan bytes)
{
    assert(open_ != nullptr);
    if (open_->has_rows()) {
        add_rows(bytes);
    } else {
        put(bytes);
    }
}

void PostgresArchiveJoiner::add_rows(ByteSpan bytes)
{
    while (!bytes.empty()) {
        const std::size_t most = std::min(bytes.size(), largest_piece - row_.size());
        const std::string_view text = as_text(bytes.first(most));
        const std::size_t newline = text.find('\n');
        const bool ends = newline != std::string_view::npos;
        const std::size_t size = ends ? newline + 1 : most;
        if (ends || row_.size() + size == largest_piece) {
            put_row(bytes.first(size));
        } else {
            append(row_, bytes.first(size));
        }
        bytes = bytes.subspan(size);
    }
}

/// The row that has come, and its end.
void PostgresArchiveJoiner::put_row(ByteSpan end)
{
    put_integer(static_cast<std::int64_t>(row_.size() + end.size()));
    put(row_);
    put(end);
    row_.clear();
}

void PostgresArchiveJoiner::end_block()
{
    assert(open_ != nullptr);
    if (open_->has_rows()) {
        if (!row_.empty()) {
            put_row({});
        }
        put_row(as_bytes(postgres_rows_end));
    }
    put_integer(0);
    open_ = nullptr;
}

void PostgresArchiveJoiner::finish()
{
    assert(open_ == nullptr);
    if (!out_.empty()) {
        sink_(std::exchange(out_, {}));
    }
}

void PostgresArchiveJoiner::put(ByteSpan bytes)
{
    append(out_, bytes);
    if (out_.size() >= output_size) {
        sink_(out_);
        out_.clear();
    }
}

void PostgresArchiveJoiner::put_integer(std::int64_t value)
{
    append_postgres_integer(out_, value);
}

} // namespace backstay::core
