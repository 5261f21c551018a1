#pragma once

#include "postgres/archive_toc.hpp"

#include <functional>

namespace backstay::core
{

/// Makes an archive of pg_dump again from what PostgresArchiveSplitter took apart, with all of its
/// blocks or some: the same bytes, if all of them come (and no row is larger than 1 MiB: such a one
/// is given in pieces, which pg_restore takes as well). One thread at a time.
class PostgresArchiveJoiner
{
public:
    using Sink = std::function<void(ByteSpan)>;
    /// Both are borrowed. The table of contents goes out at once.
    PostgresArchiveJoiner(const PostgresToc& contents, Sink sink);

    /// `entry`: of the table, with data; in its order. Throws Error{invalid} otherwise.
    void begin_block(const PostgresTocEntry& entry);
    void add(ByteSpan bytes);
    void end_block();
    /// What was not given to the sink yet. No block is open.
    void finish();

private:
    void put(ByteSpan bytes);
    void put_integer(std::int64_t value);
    void add_rows(ByteSpan bytes);
    void put_row(ByteSpan end);

    const PostgresToc& contents_;
    Sink sink_;
    Bytes out_;
    Bytes row_; ///< the beginning of one whose end did not come yet
    const PostgresTocEntry* open_ = nullptr;
    std::size_t place_ = 0; ///< where in the table the next block may stand
};

} // namespace backstay::core
