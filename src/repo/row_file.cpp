#include "repo/row_file.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <xxhash.h>

namespace backstay::core
{

namespace
{

constexpr const char* subject = "the index's temporary file";
constexpr std::size_t block_size = 4096; // a page of memory: what a read costs anyway
constexpr std::size_t check_size = sizeof(XXH64_hash_t);
constexpr std::size_t row_size = 32 + 4 * 4 + 1;
constexpr std::size_t rows_in_block = (block_size - check_size) / row_size;
constexpr std::size_t blocks_at_once = 256; ///< when they are read or written one after the other
constexpr std::uint64_t rows_in_bucket = 16;

std::uint64_t load_big_endian(const std::uint8_t* bytes)
{
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
}

void encode_row(const IndexRow& row, std::uint8_t* to)
{
    const std::array<std::uint32_t, 4> numbers{row.place.pack, row.place.frame, row.place.offset,
                                               row.place.length};
    std::memcpy(to, row.id.bytes.data(), 32);
    std::memcpy(to + 32, numbers.data(), sizeof numbers);
    to[row_size - 1] = static_cast<std::uint8_t>(row.place.kind);
}

IndexRow decode_row(const std::uint8_t* from)
{
    IndexRow row;
    std::array<std::uint32_t, 4> numbers{};
    std::memcpy(row.id.bytes.data(), from, 32);
    std::memcpy(numbers.data(), from + 32, sizeof numbers);
    row.place = {numbers[0], numbers[1], numbers[2], numbers[3],
                 static_cast<BlobKind>(from[row_size - 1])};
    return row;
}

void seal_block(std::uint8_t* block)
{
    const XXH64_hash_t check = XXH3_64bits(block, block_size - check_size);
    std::memcpy(block + block_size - check_size, &check, check_size);
}

bool is_whole(const std::uint8_t* block)
{
    XXH64_hash_t check = 0;
    std::memcpy(&check, block + block_size - check_size, check_size);
    return check == XXH3_64bits(block, block_size - check_size);
}

} // namespace

RowFile::RowFile(std::string temporary_folder) : temporary_folder_(std::move(temporary_folder)) {}

RowFile::Prefix RowFile::prefix_of(const BlobId& id)
{
    return {load_big_endian(id.bytes.data()), load_big_endian(id.bytes.data() + 8)};
}

void RowFile::reserve(std::uint64_t rows)
{
    prefixes_.reserve(rows);
}

void RowFile::add(const IndexRow& row)
{
    const std::size_t in_block = prefixes_.size() % rows_in_block;
    if (in_block == 0) {
        if (blocks_.size() == blocks_at_once * block_size) {
            write_blocks();
        }
        blocks_.resize(blocks_.size() + block_size);
    }
    encode_row(row, blocks_.data() + blocks_.size() - block_size + in_block * row_size);
    prefixes_.push_back(prefix_of(row.id));
}

void RowFile::write_blocks()
{
    if (!file_) {
        file_ = open_unnamed_file(temporary_folder_);
    }
    for (std::size_t at = 0; at < blocks_.size(); at += block_size) {
        seal_block(blocks_.data() + at);
    }
    try {
        write_at(file_.get(), blocks_written_ * block_size, blocks_, subject);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_space) {
            throw;
        }
        throw Error(ErrorCode::no_space,
                    "no space is left in this folder for the index's temporary file: make room, or "
                    "name another folder for the cache, or none",
                    temporary_folder_, error.system_error());
    }
    blocks_written_ += blocks_.size() / block_size;
    blocks_.clear();
}

void RowFile::finish()
{
    if (!blocks_.empty()) {
        write_blocks();
        blocks_ = {};
    }
    const auto bits = static_cast<unsigned>(std::bit_width(prefixes_.size() / rows_in_bucket) + 1);
    bucket_shift_ = 64 - bits;
    buckets_.reserve((std::size_t{1} << bits) + 1);
    std::uint64_t row = 0;
    for (std::uint64_t bucket = 0; bucket < std::uint64_t{1} << bits; ++bucket) {
        while (row < prefixes_.size() && prefixes_[row].high >> bucket_shift_ < bucket) {
            ++row;
        }
        buckets_.push_back(row);
    }
    buckets_.push_back(prefixes_.size());
}

RowFile::Range RowFile::find(const BlobId& id) const
{
    const Prefix wanted = prefix_of(id);
    const std::size_t bucket = wanted.high >> bucket_shift_;
    const auto begin = prefixes_.begin();
    const auto [first, last] =
        std::equal_range(begin + static_cast<std::ptrdiff_t>(buckets_[bucket]),
                         begin + static_cast<std::ptrdiff_t>(buckets_[bucket + 1]), wanted);
    return {static_cast<std::uint64_t>(first - begin), static_cast<std::uint64_t>(last - begin)};
}

void RowFile::read_blocks(std::uint64_t first, MutableByteSpan blocks) const
{
    const std::size_t got = read_at(file_.get(), first * block_size, blocks, subject);
    for (std::size_t at = 0; at < blocks.size(); at += block_size) {
        if (at + block_size > got || !is_whole(blocks.data() + at)) {
            throw Error(ErrorCode::storage,
                        "does not give back what was written to it: look at the disk that holds "
                        "the cache and temporary files",
                        subject);
        }
    }
}

IndexRow RowFile::read(std::uint64_t number) const
{
    std::array<std::uint8_t, block_size> block{};
    read_blocks(number / rows_in_block, block);
    return decode_row(block.data() + number % rows_in_block * row_size);
}

void RowFile::for_each(const std::function<void(std::uint64_t number, const IndexRow&)>& each) const
{
    Bytes blocks;
    for (std::uint64_t first = 0; first < blocks_written_; first += blocks_at_once) {
        blocks.resize(std::min<std::uint64_t>(blocks_at_once, blocks_written_ - first) *
                      block_size);
        read_blocks(first, blocks);
        const std::uint64_t begin = first * rows_in_block;
        const std::uint64_t end =
            std::min<std::uint64_t>(size(), begin + blocks.size() / block_size * rows_in_block);
        for (std::uint64_t number = begin; number < end; ++number) {
            const std::uint64_t at = number - begin;
            each(number, decode_row(blocks.data() + at / rows_in_block * block_size +
                                    at % rows_in_block * row_size));
        }
    }
}

} // namespace backstay::core
