#include "repo/row_file.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <mutex>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr const char* subject = "the index's temporary file";
constexpr std::size_t block_size = 4096; // a page of memory: what a read costs anyway
constexpr std::size_t row_size = 32 + 4 * 4 + 1;
constexpr std::size_t rows_in_block = (block_size - seal_overhead) / row_size;
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

/// The key seals one file, and each of its blocks once.
Nonce nonce_of(std::uint64_t block)
{
    Nonce nonce{};
    std::memcpy(nonce.data() + nonce.size() - sizeof block, &block, sizeof block);
    return nonce;
}

std::uint64_t blocks_of(std::uint64_t rows)
{
    return (rows + rows_in_block - 1) / rows_in_block;
}

/// Whole blocks from number `first` on, opened where they lie.
void read_blocks(int file, Cipher& cipher, std::uint64_t first, MutableByteSpan blocks)
{
    const std::size_t got = read_at(file, row_file_head + first * block_size, blocks, subject);
    for (std::size_t at = 0; at < blocks.size(); at += block_size) {
        const MutableByteSpan block = blocks.subspan(at, block_size);
        if (at + block_size > got || !cipher.open(nonce_of(first + at / block_size), {}, block,
                                                  block.first(block_size - seal_overhead))) {
            throw Error(ErrorCode::storage,
                        "does not give back what was written to it: look at the disk that holds "
                        "the cache and temporary files",
                        subject);
        }
    }
}

} // namespace

RowReader::RowReader(int file, ByteSpan key, std::uint64_t rows)
    : file_(file), cipher_(key), rows_(rows)
{
}

const IndexRow* RowReader::next()
{
    if (given_ == rows_) {
        return nullptr;
    }
    constexpr std::uint64_t rows_at_once = blocks_at_once * rows_in_block;
    const std::uint64_t at = given_ % rows_at_once;
    if (at == 0) {
        const std::uint64_t first = given_ / rows_in_block;
        blocks_.resize(std::min<std::uint64_t>(blocks_at_once, blocks_of(rows_) - first) *
                       block_size);
        read_blocks(file_, cipher_, first, blocks_);
    }
    row_ = decode_row(blocks_.data() + at / rows_in_block * block_size +
                      at % rows_in_block * row_size);
    ++given_;
    return &row_;
}

/// A thread takes one and brings it back.
struct RowFile::Ciphers {
    std::mutex mutex; // guards `idle`
    std::vector<Cipher> idle;

    Cipher take(ByteSpan key)
    {
        const std::lock_guard lock(mutex);
        if (idle.empty()) {
            return Cipher(key);
        }
        Cipher cipher = std::move(idle.back());
        idle.pop_back();
        return cipher;
    }
    void put(Cipher cipher)
    {
        const std::lock_guard lock(mutex);
        idle.push_back(std::move(cipher));
    }
};

RowFile::RowFile(std::string temporary_folder, Secret key)
    : temporary_folder_(std::move(temporary_folder)), key_(std::move(key)),
      ciphers_(std::make_unique<Ciphers>())
{
}

RowFile::RowFile(FileDescriptor file, Secret key, std::uint64_t rows,
                 const std::function<void(const IndexRow&)>& each)
    : key_(std::move(key)), ciphers_(std::make_unique<Ciphers>()), file_(std::move(file)),
      blocks_written_(blocks_of(rows))
{
    RowReader reader(file_.get(), key_.span(), rows);
    prefixes_.reserve(rows);
    while (const IndexRow* row = reader.next()) {
        prefixes_.push_back(prefix_of(row->id));
        each(*row);
    }
    make_buckets();
}

RowFile::~RowFile() = default;
RowFile::RowFile(RowFile&&) noexcept = default;

std::uint64_t RowFile::end_of(std::uint64_t rows)
{
    return row_file_head + blocks_of(rows) * block_size;
}

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
    Cipher cipher = ciphers_->take(key_.span());
    for (std::size_t at = 0; at < blocks_.size(); at += block_size) {
        const MutableByteSpan block = MutableByteSpan(blocks_).subspan(at, block_size);
        cipher.seal(nonce_of(blocks_written_ + at / block_size), {},
                    block.first(block_size - seal_overhead), block);
    }
    ciphers_->put(std::move(cipher));
    try {
        write_at(file_.get(), row_file_head + blocks_written_ * block_size, blocks_, subject);
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
    make_buckets();
}

void RowFile::make_buckets()
{
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

IndexRow RowFile::read(std::uint64_t number) const
{
    std::array<std::uint8_t, block_size> block{};
    Cipher cipher = ciphers_->take(key_.span());
    read_blocks(file_.get(), cipher, number / rows_in_block, block);
    ciphers_->put(std::move(cipher));
    return decode_row(block.data() + number % rows_in_block * row_size);
}

void RowFile::for_each(const std::function<void(std::uint64_t number, const IndexRow&)>& each) const
{
    RowReader reader(file_.get(), key_.span(), size());
    std::uint64_t number = 0;
    while (const IndexRow* row = reader.next()) {
        each(number++, *row);
    }
}

} // namespace backstay::core
