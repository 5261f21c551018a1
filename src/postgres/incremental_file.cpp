#include "postgres/incremental_file.hpp"

#include "base/error.hpp"
#include "postgres/relation_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace backstay::core
{

namespace
{

// PostgreSQL's backup/basebackup_incremental.h; numbers are in the server's byte order.
constexpr std::uint32_t magic = 0xd3ae1f0d;
constexpr std::string_view name_prefix = "INCREMENTAL.";
constexpr std::size_t number_size = sizeof(std::uint32_t);
constexpr std::size_t fixed_size = 3 * number_size;
constexpr std::size_t numbers_at_a_time = 16 * KiB;

[[noreturn]] void refuse(const char* what)
{
    throw Error(ErrorCode::damaged, std::string("an incremental file is damaged: ") + what);
}

class HeadReader
{
public:
    explicit HeadReader(const std::function<std::size_t(MutableByteSpan)>& read) : read_(read) {}

    void numbers(std::span<std::uint32_t> into)
    {
        bytes({reinterpret_cast<std::uint8_t*>(into.data()), into.size_bytes()});
    }

    void skip(std::uint64_t size)
    {
        std::array<std::uint8_t, 4096> buffer;
        while (size > 0) {
            const std::size_t part = std::min<std::uint64_t>(size, buffer.size());
            bytes(MutableByteSpan(buffer).first(part));
            size -= part;
        }
    }

private:
    void bytes(MutableByteSpan into)
    {
        while (!into.empty()) {
            const std::size_t got = read_(into);
            if (got == 0) {
                refuse("its end is missing");
            }
            into = into.subspan(got);
        }
    }

    const std::function<std::size_t(MutableByteSpan)>& read_;
};

void check_blocks(const std::vector<std::uint32_t>& blocks, std::uint32_t segment_blocks)
{
    const bool in_order =
        std::adjacent_find(blocks.begin(), blocks.end(), std::greater_equal<>()) == blocks.end();
    if (!in_order) {
        refuse("its blocks are not in order");
    }
    if (!blocks.empty() && blocks.back() >= segment_blocks) {
        refuse("it has a block behind the end of a segment");
    }
}

} // namespace

std::uint32_t IncrementalHead::length() const
{
    return blocks.empty() ? truncation : std::max(truncation, blocks.back() + 1);
}

IncrementalHead read_incremental_head(const std::function<std::size_t(MutableByteSpan)>& read,
                                      std::uint64_t file_size, const IncrementalBounds& bounds)
{
    HeadReader reader(read);
    std::array<std::uint32_t, 3> fixed{};
    reader.numbers(fixed);
    const auto [found_magic, count, truncation] = fixed;
    if (found_magic != magic) {
        refuse("it does not begin as one");
    }
    if (count > bounds.segment_blocks) {
        refuse("it has more blocks than a segment");
    }
    std::uint64_t size = fixed_size + std::uint64_t{count} * number_size;
    const std::uint64_t padding =
        count > 0 ? (bounds.page_size - size % bounds.page_size) % bounds.page_size : 0;
    size += padding;
    if (file_size != size + std::uint64_t{count} * bounds.page_size) {
        refuse("its size does not fit the number of its blocks");
    }
    IncrementalHead head;
    head.truncation = std::min(truncation, bounds.segment_blocks);
    // The number is believed as far as bytes come.
    while (head.blocks.size() < count) {
        const std::size_t before = head.blocks.size();
        head.blocks.resize(std::min<std::size_t>(count, before + numbers_at_a_time));
        reader.numbers(std::span(head.blocks).subspan(before));
    }
    check_blocks(head.blocks, bounds.segment_blocks);
    reader.skip(padding);
    return head;
}

std::string incremental_original(std::string_view path)
{
    std::string original = without_incremental_prefix(path);
    return original != path && parse_relation_file(original) ? original : std::string();
}

std::string without_incremental_prefix(std::string_view path)
{
    const std::size_t name = path.rfind('/') + 1; // 0 if there is no folder
    std::string original(path);
    if (path.substr(name).starts_with(name_prefix)) {
        original.erase(name, name_prefix.size());
    }
    return original;
}

} // namespace backstay::core
