#include "postgres/page_check.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

// PostgreSQL's storage/checksum_impl.h: 32 FNV-1a sums side by side, with more mixing.
constexpr std::size_t sums_count = 32;
constexpr std::uint32_t prime = 16777619;
using Sums = std::array<std::uint32_t, sums_count>;
constexpr Sums first_sums = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756};

// Where storage/bufpage.h puts the fields of a page's header.
constexpr std::size_t checksum_at = 8;
constexpr std::size_t upper_at = 14;

constexpr std::size_t blocks_named = 20;

inline __attribute__((always_inline)) std::uint32_t mixed(std::uint32_t sum, std::uint32_t word)
{
    const std::uint32_t both = sum ^ word;
    return both * prime ^ (both >> 17);
}

inline __attribute__((always_inline)) std::uint32_t sum_words(const std::uint8_t* page,
                                                              std::size_t size)
{
    Sums sums = first_sums;
    Sums words;
    for (std::size_t at = 0; at < size; at += sizeof words) {
        std::memcpy(words.data(), page + at, sizeof words);
        if (at == 0) {
            words[checksum_at / sizeof(std::uint32_t)] &= 0xFFFF0000;
        }
        for (std::size_t i = 0; i < sums_count; ++i) {
            sums[i] = mixed(sums[i], words[i]);
        }
    }
    std::uint32_t result = 0;
    for (std::size_t i = 0; i < sums_count; ++i) {
        result ^= mixed(mixed(sums[i], 0), 0);
    }
    return result;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) std::uint32_t sum_words_wide(const std::uint8_t* page,
                                                             std::size_t size)
{
    return sum_words(page, size);
}
#endif

template <typename Number>
Number number_at(ByteSpan bytes, std::size_t at)
{
    Number number = 0;
    std::memcpy(&number, bytes.data() + at, sizeof number);
    return number;
}

bool is_new(ByteSpan page)
{
    return number_at<std::uint16_t>(page, upper_at) == 0;
}

} // namespace

std::uint16_t page_checksum(ByteSpan page, std::uint32_t block)
{
    assert(page.size() % sizeof(Sums) == 0 && !page.empty());
    std::uint32_t sum = 0;
#if defined(__x86_64__)
    static const bool is_wide = __builtin_cpu_supports("avx2") != 0;
    sum = is_wide ? sum_words_wide(page.data(), page.size()) : sum_words(page.data(), page.size());
#else
    sum = sum_words(page.data(), page.size());
#endif
    return static_cast<std::uint16_t>((sum ^ block) % 65535 + 1); // never 0: that means none
}

bool page_fits(ByteSpan page, std::uint32_t block)
{
    return is_new(page) ||
           number_at<std::uint16_t>(page, checksum_at) == page_checksum(page, block);
}

void seal_page(MutableByteSpan page, std::uint32_t block)
{
    if (!is_new(page)) {
        const std::uint16_t sum = page_checksum(page, block);
        std::memcpy(page.data() + checksum_at, &sum, sizeof sum);
    }
}

PageCheck::PageCheck(Settings settings, std::uint32_t segment)
    : settings_(settings), first_(segment * settings.segment_blocks), block_(first_)
{
}

void PageCheck::update(ByteSpan bytes)
{
    if (!part_.empty()) {
        const std::size_t missing = std::min(settings_.page_size - part_.size(), bytes.size());
        append(part_, bytes.first(missing));
        bytes = bytes.subspan(missing);
        if (part_.size() < settings_.page_size) {
            return;
        }
        check(part_);
        part_.clear();
    }
    while (bytes.size() >= settings_.page_size) {
        check(bytes.first(settings_.page_size));
        bytes = bytes.subspan(settings_.page_size);
    }
    append(part_, bytes);
}

void PageCheck::check(ByteSpan page)
{
    const std::uint32_t block = block_++;
    const auto high = number_at<std::uint32_t>(page, 0);
    const auto low = number_at<std::uint32_t>(page, sizeof high);
    if (is_new(page) || (LogPosition{high} << 32 | low) >= settings_.start) {
        return;
    }
    const auto stored = number_at<std::uint16_t>(page, checksum_at);
    const std::uint16_t computed = page_checksum(page, block);
    if (stored == computed) {
        return;
    }
    ++count_;
    if (bad_.size() < most_kept) {
        bad_.push_back({block, stored, computed});
    }
}

std::string bad_pages_text(const PageCheck& pages)
{
    std::string text =
        fmt::format("{} page{} not fit {} checksum: ", pages.count(),
                    pages.count() == 1 ? " does" : "s do", pages.count() == 1 ? "its" : "their");
    std::size_t named = 0;
    for (const PageCheck::Bad& bad : pages.bad()) {
        if (named == blocks_named) {
            break;
        }
        text += fmt::format("{}block {} (has {:04X}, should have {:04X})", named > 0 ? ", " : "",
                            bad.block, bad.stored, bad.computed);
        ++named;
    }
    return pages.count() > named ? text + " …" : text;
}

} // namespace backstay::core
