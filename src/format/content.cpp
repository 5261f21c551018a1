#include "format/content.hpp"

#include "format/encoding.hpp"

#include <limits>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t longest_stream = std::uint64_t{1}
                                         << 62; ///< so that a length and the hole bit fit a varint

} // namespace

std::uint64_t Content::size() const
{
    std::uint64_t size = 0;
    for (const ContentItem& item : items) {
        size += item.length;
    }
    return size;
}

void encode_content(Encoder& to, const Content& content)
{
    to.u8(content.depth);
    to.varint(content.items.size());
    for (const ContentItem& item : content.items) {
        to.varint(item.length << 1 | (item.is_hole() ? 1 : 0));
        if (!item.is_hole()) {
            to.id(item.id);
        }
    }
}

Content decode_content(Decoder& from, std::size_t max_items)
{
    Content content;
    content.depth = from.u8();
    if (content.depth > max_content_depth) {
        from.fail("its content list is too deep");
    }
    const std::size_t count = from.count(1); // a short hole is one byte
    if (count > max_items) {
        from.fail("its content list is too long");
    }
    content.items.reserve(count);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t word = from.varint();
        ContentItem item;
        item.length = word >> 1;
        total += item.length;
        if (item.length == 0 || item.length > longest_stream || total > longest_stream) {
            from.fail("a length in its content list is out of bounds");
        }
        if ((word & 1) == 0) {
            item.id = from.id<BlobId>();
            if (item.is_hole()) {
                from.fail("a chunk in its content list has no id");
            }
        }
        content.items.push_back(item);
    }
    return content;
}

Bytes encode_content_page(const Content& page)
{
    Bytes out;
    Encoder to(out);
    encode_content(to, page);
    return out;
}

Content decode_content_page(ByteSpan plain)
{
    Decoder from(plain, "page of a content list");
    Content page = decode_content(from, max_page_items);
    from.finish();
    return page;
}

} // namespace backstay::core
