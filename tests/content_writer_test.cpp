#include "repo/content_writer.hpp"

#include "base/error.hpp"
#include "repo/content_reader.hpp"
#include "support/sample_blobs.hpp"

#include <doctest/doctest.h>
#include <random>
#include <set>

using namespace backstay::core;

namespace
{

using Items = std::vector<ContentItem>;

BlobId random_blob_id(std::mt19937_64& random)
{
    BlobId id;
    for (std::uint8_t& byte : id.bytes) {
        byte = static_cast<std::uint8_t>(random());
    }
    return id;
}

/// Chunks, and now and then one hole between two of them.
Items random_items(std::size_t count, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    Items items;
    while (items.size() < count) {
        const bool hole = !items.empty() && !items.back().is_hole() && random() % 8 == 0;
        items.push_back({1 + random() % 200'000, hole ? BlobId{} : random_blob_id(random)});
    }
    return items;
}

Content write(SampleBlobs& blobs, const Items& items)
{
    ContentWriter writer(blobs.lane());
    for (const ContentItem& item : items) {
        writer.add(item);
    }
    Content content = writer.finish();
    blobs.publish();
    return content;
}

Items read(SampleBlobs& blobs, const Content& content)
{
    Items items;
    std::uint64_t expected = 0;
    for_each_chunk(*blobs.reader(), content, {},
                   [&](std::uint64_t offset, const ContentItem& item) {
                       CHECK(offset == expected);
                       expected += item.length;
                       items.push_back(item);
                       return true;
                   });
    return items;
}

std::uint64_t total(const Items& items)
{
    std::uint64_t sum = 0;
    for (const ContentItem& item : items) {
        sum += item.length;
    }
    return sum;
}

BlobId put_page(SampleBlobs& blobs, const Content& page)
{
    const BlobId id = blobs.lane().put(BlobKind::list_node, encode_content_page(page)).id;
    blobs.publish();
    return id;
}

/// What reading `content` throws.
Error damage_of(SampleBlobs& blobs, const Content& content)
{
    try {
        read(blobs, content);
    } catch (const Error& error) {
        return error;
    }
    return Error(ErrorCode::internal, "nothing was thrown");
}

} // namespace

TEST_CASE("a content list gives back the items it was made of, whatever their number")
{
    SampleBlobs blobs;
    std::uint64_t seed = 1;
    for (const std::size_t count : {0U, 1U, 2U, 255U, 256U, 257U, 1024U, 1025U, 5'000U, 200'000U}) {
        CAPTURE(count);
        const Items items = random_items(count, seed++);
        const Content content = write(blobs, items);
        CHECK((content.depth == 0) == (count <= max_inline_items));
        CHECK(content.items.size() <= max_inline_items);
        CHECK(content.size() == total(items));
        CHECK(read(blobs, content) == items);
    }
}

TEST_CASE("holes next to each other are joined and items without a length left out")
{
    SampleBlobs blobs;
    std::mt19937_64 random(2);
    const BlobId chunk = random_blob_id(random);
    ContentWriter writer(blobs.lane());
    writer.add({10, BlobId{}});
    writer.add({20, BlobId{}});
    writer.add({0, chunk});
    writer.add({5, BlobId{}});
    writer.add({7, chunk});
    writer.add({0, BlobId{}});
    writer.add({8, chunk});
    writer.add({1, BlobId{}});
    CHECK(writer.size() == 51);
    CHECK(writer.finish().items == Items{{35, BlobId{}}, {7, chunk}, {8, chunk}, {1, BlobId{}}});
}

TEST_CASE("one changed, added or removed chunk changes few pages of a long list")
{
    SampleBlobs blobs;
    const Items items = random_items(100'000, 3);
    const Content before = write(blobs, items);
    REQUIRE(before.depth >= 1);
    std::mt19937_64 random(4);
    for (int round = 0; round < 12; ++round) {
        CAPTURE(round);
        Items changed = items;
        const auto at = changed.begin() + static_cast<std::ptrdiff_t>(random() % changed.size());
        const ContentItem fresh{1000, random_blob_id(random)};
        if (round % 3 == 0) {
            *at = fresh;
        } else if (round % 3 == 1) {
            changed.insert(at, fresh);
        } else {
            changed.erase(at);
        }
        const std::uint64_t known = blobs.new_blobs();
        write(blobs, changed);
        CHECK(blobs.new_blobs() - known <= 4U * before.depth);
    }
}

TEST_CASE("references of a content list are its pages, each before what it holds, and its chunks")
{
    SampleBlobs blobs;
    const Items items = random_items(3'000, 5);
    const Content content = write(blobs, items);
    std::set<BlobId> pages;
    std::vector<BlobId> chunks;
    BlobKind first{};
    for_each_reference(*blobs.reader(), content, {}, [&](const BlobId& id, BlobKind kind) {
        first = pages.empty() && chunks.empty() ? kind : first;
        if (kind == BlobKind::list_node) {
            pages.insert(id);
        } else {
            chunks.push_back(id);
        }
    });
    CHECK(first == BlobKind::list_node);
    for (const ContentItem& page : content.items) {
        CHECK(pages.count(page.id) == 1);
    }
    std::vector<BlobId> expected;
    for (const ContentItem& item : items) {
        if (!item.is_hole()) {
            expected.push_back(item.id);
        }
    }
    CHECK(chunks == expected);
}

TEST_CASE("reading a content list ends when it is told to")
{
    SampleBlobs blobs;
    const Content content = write(blobs, random_items(2'000, 6));
    int given = 0;
    for_each_chunk(*blobs.reader(), content, {},
                   [&](std::uint64_t, const ContentItem&) { return ++given < 300; });
    CHECK(given == 300);

    std::stop_source stop;
    stop.request_stop();
    const auto ignore = [](std::uint64_t, const ContentItem&) { return true; };
    CHECK_THROWS_AS(for_each_chunk(*blobs.reader(), content, stop.get_token(), ignore), Error);
}

TEST_CASE("pages of a content list that do not fit what refers to them are damage, and named")
{
    SampleBlobs blobs;
    std::mt19937_64 random(7);
    const Content leaf{0, {{10, random_blob_id(random)}, {20, random_blob_id(random)}}};
    const BlobId id = put_page(blobs, leaf);
    REQUIRE(read(blobs, {1, {{30, id}}}) == leaf.items);

    SUBCASE("its length is not what is said")
    {
        const Error error = damage_of(blobs, {1, {{31, id}}});
        CHECK(error.code() == ErrorCode::damaged);
        CHECK(error.subject() == id.hex());
    }
    SUBCASE("it lies too deep")
    {
        const Error error = damage_of(blobs, {2, {{30, id}}});
        CHECK(error.code() == ErrorCode::damaged);
        CHECK(error.subject() == id.hex());
    }
    SUBCASE("it does not go down")
    {
        const BlobId same = put_page(blobs, {1, {{30, id}}});
        CHECK(damage_of(blobs, {1, {{30, same}}}).code() == ErrorCode::damaged);
    }
    SUBCASE("it is missing")
    {
        CHECK(damage_of(blobs, {1, {{30, random_blob_id(random)}}}).code() == ErrorCode::damaged);
    }
    SUBCASE("it is no page")
    {
        const Bytes junk{9, 9, 9};
        const BlobId other = blobs.lane().put(BlobKind::list_node, junk).id;
        blobs.publish();
        CHECK(damage_of(blobs, {1, {{30, other}}}).code() == ErrorCode::damaged);
    }
    SUBCASE("the list itself claims what cannot be")
    {
        CHECK(damage_of(blobs, {7, {{30, id}}}).code() == ErrorCode::damaged);
        CHECK(damage_of(blobs, {1, {{0, id}}}).code() == ErrorCode::damaged);
        CHECK(damage_of(blobs, {0, {{UINT64_MAX, id}, {2, id}}}).code() == ErrorCode::damaged);
    }
}
