#pragma once

#include "base/file.hpp"
#include "repo/index_row.hpp"

#include <functional>
#include <string>
#include <vector>

namespace backstay::core
{

/// Sorted rows in an unnamed file. 16 bytes a row are resident, the first half of its id; the rest
/// is read by pread, in blocks that carry a check (XXH3), and never mapped: a failing disk must not
/// end the host. Written once; from finish() on thread-safe.
class RowFile
{
public:
    explicit RowFile(std::string temporary_folder);

    /// At most so many rows are to come.
    void reserve(std::uint64_t rows);
    /// In order.
    void add(const IndexRow& row);
    void finish();

    std::uint64_t size() const { return prefixes_.size(); }

    struct Range {
        std::uint64_t begin = 0; ///< numbers of rows
        std::uint64_t end = 0;
    };
    /// The rows of this blob, found without a read: as ids are keyed hashes, equal halves mean
    /// equal ids.
    Range find(const BlobId& id) const;

    /// Throws Error{storage}: the file cannot be read, or is not what was written.
    IndexRow read(std::uint64_t number) const;
    void for_each(const std::function<void(std::uint64_t number, const IndexRow&)>& each) const;

private:
    struct Prefix {
        std::uint64_t high;
        std::uint64_t low;
        auto operator<=>(const Prefix&) const = default;
    };
    static Prefix prefix_of(const BlobId& id);
    void write_blocks();
    void read_blocks(std::uint64_t first, MutableByteSpan blocks) const;

    std::string temporary_folder_;
    FileDescriptor file_;
    std::vector<Prefix> prefixes_;
    std::vector<std::uint64_t> buckets_; ///< by the first bits of ids: number of the first row
    unsigned bucket_shift_ = 63;
    Bytes blocks_; ///< not written yet, the last one not full
    std::uint64_t blocks_written_ = 0;
};

} // namespace backstay::core
