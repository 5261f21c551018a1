#include "format/content.hpp"

#include "format/encoding.hpp"
#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"

using namespace backstay::core;

namespace
{

Content sample()
{
    return {2, {{5, id_of<BlobId>(0x11)}, {300, {}}, {1, id_of<BlobId>(0x22)}}};
}

Bytes page_claiming(std::uint64_t items, ByteSpan rest)
{
    Bytes out;
    Encoder to(out);
    to.u8(0);
    to.varint(items);
    to.raw(rest);
    return out;
}

/// A page with one item of this word (length and hole bit) and id.
Bytes page_of(std::uint64_t word, const BlobId& id)
{
    Bytes out;
    Encoder to(out);
    to.u8(0);
    to.varint(1);
    to.varint(word);
    if ((word & 1) == 0) {
        to.id(id);
    }
    return out;
}

Content of_holes(std::size_t count)
{
    Content content;
    content.items.assign(count, ContentItem{1, {}});
    return content;
}

} // namespace

TEST_CASE("a page of a content list has the bytes that the format says")
{
    CHECK(to_hex(encode_content_page(sample())) == "0203"
                                                   "0a" +
                                                       repeated_hex(0x11, 32) + "d904" + "02" +
                                                       repeated_hex(0x22, 32));
}

TEST_CASE("pages of content lists come back")
{
    CHECK(decode_content_page(encode_content_page(sample())) == sample());
    SeededNumbers numbers(2);
    for (int i = 0; i < 300; ++i) {
        const Content content = random_content(numbers);
        const Bytes bytes = encode_content_page(content);
        CHECK(decode_content_page(bytes) == content);
        CHECK(encode_content_page(decode_content_page(bytes)) == bytes);
    }
}

TEST_CASE("a stream that is nothing but a short hole comes back")
{
    // One byte of list: as of a sparse file of a few bytes that is the last of its folder.
    const Content content{0, {{20, {}}}};
    CHECK(decode_content_page(encode_content_page(content)) == content);
}

TEST_CASE("a content's size is the sum of its items, holes too")
{
    CHECK(Content().size() == 0);
    CHECK(sample().size() == 306);
}

TEST_CASE("a damaged page of a content list is refused or is another one")
{
    const Bytes bytes = encode_content_page(sample());
    CHECK(refuses_every_truncation(bytes, decode_content_page));
    CHECK(withstands_every_changed_byte(bytes, decode_content_page, encode_content_page));
}

TEST_CASE("a content list that claims more items than it has is refused")
{
    CHECK(is_refused(page_claiming(UINT64_MAX, {}), decode_content_page));
    CHECK(is_refused(page_claiming(1000, Bytes(100, 3)), decode_content_page));
}

TEST_CASE("a content list may have as many items as its limit and no more")
{
    CHECK(decode_content_page(encode_content_page(of_holes(max_page_items))).items.size() ==
          max_page_items);
    CHECK(is_refused(encode_content_page(of_holes(max_page_items + 1)), decode_content_page));
}

TEST_CASE("a content list that is too deep is refused")
{
    Content content = sample();
    content.depth = max_content_depth;
    CHECK(decode_content_page(encode_content_page(content)) == content);
    content.depth = max_content_depth + 1;
    CHECK(is_refused(encode_content_page(content), decode_content_page));
}

TEST_CASE("lengths that are nothing or overflow are refused")
{
    CHECK(is_refused(page_of(0, id_of<BlobId>(1)), decode_content_page));
    CHECK(is_refused(page_of(1, {}), decode_content_page));
    CHECK(is_refused(page_of(UINT64_MAX, {}), decode_content_page));
    const std::uint64_t half = std::uint64_t{1} << 61U;
    CHECK_FALSE(
        is_refused(encode_content_page({0, {{half, {}}, {half, {}}}}), decode_content_page));
    CHECK(is_refused(encode_content_page({0, {{half, {}}, {half, {}}, {1, {}}}}),
                     decode_content_page));
}

TEST_CASE("a chunk without an id is refused, as a hole has another form")
{
    CHECK_FALSE(is_refused(page_of(2, id_of<BlobId>(1)), decode_content_page));
    CHECK(is_refused(page_of(2, BlobId{}), decode_content_page));
}
