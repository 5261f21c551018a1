#include "repo/entry_arena.hpp"

#include "format/encoding.hpp"
#include "format/entry.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace backstay::core
{

namespace
{

constexpr std::size_t length_size = 4; ///< in front of each record
constexpr std::size_t key_size = 8;
constexpr std::size_t few = 12;

std::uint64_t load_big_endian(const char* bytes)
{
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
}

/// '/' comes before every other byte of a path, as in path_less; so does the end.
std::uint64_t slashes_to_zero(std::uint64_t word)
{
    constexpr std::uint64_t low_bits = 0x7f7f7f7f7f7f7f7fULL;
    const std::uint64_t differs = word ^ 0x2f2f2f2f2f2f2f2fULL;
    const std::uint64_t not_slash = (((differs & low_bits) + low_bits) | differs) & ~low_bits;
    return word & (not_slash >> 7) * 0xff;
}

/// Eight bytes of the path from `depth` on, so that keys compare as paths do. Eight bytes behind
/// the path can be read: blocks have room for them.
std::uint64_t key_at(std::string_view path, std::size_t depth)
{
    if (depth >= path.size()) {
        return 0;
    }
    const std::uint64_t word = slashes_to_zero(load_big_endian(path.data() + depth));
    const std::size_t left = path.size() - depth;
    return left >= key_size ? word : word & ~std::uint64_t{0} << 8 * (key_size - left);
}

struct Range {
    std::size_t begin;
    std::size_t end;
    std::size_t depth; ///< so many bytes are the same in all
};

} // namespace

std::string_view encoded_entry_path(ByteSpan encoded)
{
    return as_text(Decoder(encoded, "entry").blob(max_path_size));
}

void EntryArena::add(ByteSpan encoded)
{
    const std::size_t size = length_size + encoded.size();
    if (capacity_ - used_ < size + key_size) {
        capacity_ = std::max(block_size_, size + key_size);
        blocks_.emplace_back(new std::uint8_t[capacity_]);
        used_ = 0;
        memory_ += capacity_;
    }
    std::uint8_t* to = blocks_.back().get() + used_;
    const auto length = static_cast<std::uint32_t>(encoded.size());
    std::memcpy(to, &length, length_size);
    std::memcpy(to + length_size, encoded.data(), encoded.size());
    slots_.push_back({0, std::uint64_t{blocks_.size() - 1} << 32 | used_});
    used_ += size;
    memory_ += 2 * sizeof(Slot); // a vector that grows holds its slots twice for a moment
}

ByteSpan EntryArena::record(const Slot& slot) const
{
    const std::uint8_t* at = blocks_[slot.place >> 32].get() + (slot.place & UINT32_MAX);
    std::uint32_t length = 0;
    std::memcpy(&length, at, length_size);
    return {at + length_size, length};
}

/// Keys are compared where they lie, eight bytes of all paths before the next eight of those that
/// are the same so far: comparing paths would miss the cache at each step. Entries come grouped by
/// folders, so equal ones are near each other.
void EntryArena::sort()
{
    std::vector<Range> ranges{{0, slots_.size(), 0}};
    while (!ranges.empty()) {
        const Range range = ranges.back();
        ranges.pop_back();
        Slot* const begin = slots_.data() + range.begin;
        Slot* const end = slots_.data() + range.end;
        if (range.end - range.begin <= few) {
            sort_few(begin, end, range.depth);
            continue;
        }
        for (Slot* slot = begin; slot != end; ++slot) {
            slot->key = key_at(path(*slot), range.depth);
        }
        std::sort(begin, end, [](const Slot& a, const Slot& b) {
            return a.key != b.key ? a.key < b.key : a.place < b.place;
        });
        for (Slot* first = begin; first != end;) {
            Slot* const last = std::find_if(
                first, end, [key = first->key](const Slot& slot) { return slot.key != key; });
            // A key of zero is behind the end: these paths are one.
            if (last - first > 1 && first->key != 0) {
                ranges.push_back({static_cast<std::size_t>(first - slots_.data()),
                                  static_cast<std::size_t>(last - slots_.data()),
                                  range.depth + key_size});
            }
            first = last;
        }
    }
}

void EntryArena::sort_few(Slot* begin, Slot* end, std::size_t depth) const
{
    const auto rest = [&](const Slot& slot) {
        const std::string_view all = path(slot);
        return all.substr(std::min(depth, all.size()));
    };
    std::sort(begin, end, [&](const Slot& a, const Slot& b) {
        const std::string_view left = rest(a);
        const std::string_view right = rest(b);
        return left != right ? path_less(left, right) : a.place < b.place;
    });
}

void EntryArena::drain(const std::function<void(ByteSpan)>& each)
{
    sort();
    for (const Slot& slot : slots_) {
        each(record(slot));
    }
    slots_ = {};
    blocks_.clear();
    capacity_ = used_ = memory_ = 0;
}

} // namespace backstay::core
