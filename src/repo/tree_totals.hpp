#pragma once

#include "format/tree_page.hpp"

namespace backstay::core
{

/// What lies below a page: entries of all levels, and the sum of their sizes, which stops at 2^64-1
/// (sizes of sparse files may add up to more). Plain value.
struct TreeTotals {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;

    void add(const Entry& entry)
    {
        add(1, entry.size);
        if (entry.subtree) {
            add(entry.subtree->entries, entry.subtree->bytes);
        }
    }
    void add(const PageRef& ref) { add(ref.entries, ref.bytes); }
    void add(std::uint64_t more_entries, std::uint64_t more_bytes)
    {
        entries = sum(entries, more_entries);
        bytes = sum(bytes, more_bytes);
    }
    bool operator==(const TreeTotals&) const = default;

private:
    static std::uint64_t sum(std::uint64_t a, std::uint64_t b)
    {
        return b > UINT64_MAX - a ? UINT64_MAX : a + b;
    }
};

} // namespace backstay::core
