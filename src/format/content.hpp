#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <vector>

namespace backstay::core {

/// A stretch of a stream: a chunk, a hole, or (in a list of depth > 0) a page of a content list.
struct ContentItem {
    std::uint64_t length = 0; ///< plain bytes it stands for
    BlobId id{};              ///< all zero: a hole
    bool is_hole() const { return id == BlobId{}; }
    bool operator==(const ContentItem&) const = default;
};

/// A stream's bytes: its items in order. depth 0: chunks and holes; depth n: pages of depth n-1 (and holes).
struct Content {
    std::uint8_t depth = 0;
    std::vector<ContentItem> items;
    std::uint64_t size() const; ///< sum of the lengths
    bool operator==(const Content&) const = default;
};

/// More items than this go into list pages.
inline constexpr std::size_t max_inline_items = 256;
/// Pages are cut by content between these, so that one changed chunk changes one page a level.
inline constexpr std::size_t min_page_items = 256;
inline constexpr std::size_t max_page_items = 1024;
inline constexpr std::uint8_t max_content_depth = 6;

/// A list page's plain bytes (BlobKind::list_node), and back. decode throws Error{damaged}.
Bytes encode_content_page(const Content& page);
Content decode_content_page(ByteSpan plain);

class Encoder;
class Decoder;
void encode_content(Encoder& to, const Content& content);
Content decode_content(Decoder& from, std::size_t max_items);

} // namespace backstay::core
