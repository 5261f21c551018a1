#pragma once

#include "base/file.hpp"
#include "base/secret.hpp"
#include "codec/cipher.hpp"
#include "repo/index_row.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace backstay::core
{

/// What stands before the first row, for whoever keeps the file.
inline constexpr std::uint64_t row_file_head = 4096;

/// Reads the rows of a RowFile in order. One thread at a time.
class RowReader
{
public:
    RowReader(int file, ByteSpan key, std::uint64_t rows);
    /// The next row, until the call after it; null: that was all. Throws Error{storage}.
    const IndexRow* next();

private:
    int file_;
    Cipher cipher_;
    std::uint64_t rows_;
    std::uint64_t given_ = 0;
    Bytes blocks_; ///< opened
    IndexRow row_;
};

/// Sorted rows in an unnamed file. 16 bytes a row are resident, the first half of its id; the rest
/// is read by pread, in blocks that are sealed (what lies in the file tells nothing, and what does
/// not open is no row), and never mapped: a failing disk must not end the host. Written once; from
/// finish() on thread-safe.
class RowFile
{
public:
    /// `key`: 32 bytes that seal nothing else.
    explicit RowFile(std::string temporary_folder, Secret key = Secret::random(32));
    /// What was written before, under that key: reads and checks all of it, and gives each row to
    /// `each`. Throws Error{storage} if it is not whole.
    RowFile(FileDescriptor file, Secret key, std::uint64_t rows,
            const std::function<void(const IndexRow&)>& each);
    ~RowFile();
    RowFile(RowFile&&) noexcept;

    /// At most so many rows are to come.
    void reserve(std::uint64_t rows);
    /// In order.
    void add(const IndexRow& row);
    void finish();

    std::uint64_t size() const { return prefixes_.size(); }

    /// For keeping it: null if there are no rows. The bytes before row_file_head and from end_of()
    /// on are the keeper's.
    const FileDescriptor& file() const { return file_; }
    /// Where a file of so many rows ends.
    static std::uint64_t end_of(std::uint64_t rows);

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
    struct Ciphers;
    void write_blocks();
    void make_buckets();

    std::string temporary_folder_;
    Secret key_;
    std::unique_ptr<Ciphers> ciphers_;
    FileDescriptor file_;
    std::vector<Prefix> prefixes_;
    std::vector<std::uint64_t> buckets_; ///< by the first bits of ids: number of the first row
    unsigned bucket_shift_ = 63;
    Bytes blocks_; ///< not written yet, the last one not full
    std::uint64_t blocks_written_ = 0;
};

} // namespace backstay::core
