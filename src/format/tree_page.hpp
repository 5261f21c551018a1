#pragma once

#include "format/entry.hpp"

#include <string>
#include <vector>

namespace backstay::core {

/// A reference from an inner page to a page one level below.
struct PageRef {
    std::string first_name; ///< the least name below it
    BlobId page{};
    std::uint64_t entries = 0; ///< of all levels below
    std::uint64_t bytes = 0;
    bool operator==(const PageRef&) const = default;
};

/// A page of a directory (BlobKind::tree_node): leaf pages (level 0) hold entries, inner pages references, both sorted by name, each name once.
struct TreePage {
    std::uint8_t level = 0;
    std::vector<Entry> entries; ///< level 0
    std::vector<PageRef> pages; ///< level > 0
    bool operator==(const TreePage&) const = default;
};

/// Pages are cut where a keyed hash of the name says so (on average every 512 entries), at the latest at max_page_entries or when
/// max_page_bytes would be exceeded (one entry alone may exceed it, up to max_page_plain).
inline constexpr std::size_t min_page_entries = 64;
inline constexpr std::size_t average_page_entries = 512;
inline constexpr std::size_t max_page_entries = 1024;
inline constexpr std::size_t max_page_bytes = 192 * 1024;
inline constexpr std::size_t max_page_plain = 4 * 1024 * 1024;
inline constexpr std::size_t max_shared_page_plain = 2 * max_page_bytes; ///< of a page with more than one entry, however a writer counts bytes
inline constexpr std::uint8_t max_tree_level = 8;

Bytes encode_tree_page(const TreePage& page);
/// The same of items that are encoded already: encode_entry() (with names for paths) at level 0, encode_page_ref() above.
Bytes assemble_tree_page(std::uint8_t level, std::size_t count, ByteSpan items);
void encode_page_ref(Encoder& to, const PageRef& ref);
/// Throws Error{damaged}: malformed, unsorted, a name twice, a bad name, beyond the limits.
TreePage decode_tree_page(ByteSpan plain);

} // namespace backstay::core
