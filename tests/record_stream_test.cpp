#include "repo/record_stream.hpp"

#include "base/error.hpp"
#include "support/sample_blobs.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace backstay::core;

namespace
{

Content write(SampleBlobs& blobs, const std::vector<Bytes>& records)
{
    RecordWriter writer(blobs.lane());
    for (const Bytes& record : records) {
        writer.add(record);
    }
    Content content = writer.finish();
    blobs.publish();
    return content;
}

std::vector<Bytes> read(SampleBlobs& blobs, const Content& content)
{
    std::vector<Bytes> records;
    read_records(*blobs.reader(), content, {}, [&records](ByteSpan record) {
        records.emplace_back(record.begin(), record.end());
    });
    return records;
}

ContentItem put(SampleBlobs& blobs, const Bytes& chunk)
{
    const ContentItem item{chunk.size(), blobs.lane().put(BlobKind::record, chunk).id};
    blobs.publish();
    return item;
}

} // namespace

TEST_CASE("records come back as they were, empty ones and those longer than a chunk, too")
{
    SampleBlobs blobs;
    std::mt19937_64 random(1);
    std::vector<Bytes> records{{}, {1}, Bytes(128 * 1024 - 4), Bytes(1000 * 1000, 7), {}};
    for (int i = 0; i < 3'000; ++i) {
        records.emplace_back(random() % 700, static_cast<std::uint8_t>(random()));
    }
    CHECK(read(blobs, write(blobs, records)) == records);
    CHECK(read(blobs, write(blobs, {})).empty());
}

TEST_CASE("a list of records that is cut short or claims absurd lengths is damage")
{
    SampleBlobs blobs;
    const ContentItem good = put(blobs, {2, 0, 0, 0, 8, 9});
    REQUIRE(read(blobs, {0, {good}}) == std::vector<Bytes>{{8, 9}});
    const auto damaged = [&blobs](const Content& content) {
        try {
            read(blobs, content);
        } catch (const Error& error) {
            return error.code() == ErrorCode::damaged;
        }
        return false;
    };
    CHECK(damaged({0, {put(blobs, {3, 0, 0, 0, 8, 9})}}));
    CHECK(damaged({0, {put(blobs, {3, 0})}}));
    CHECK(damaged({0, {put(blobs, {255, 255, 255, 255, 1})}}));
    CHECK(damaged({0, {good, {5, BlobId{}}}}));
    CHECK(damaged({0, {{good.length + 1, good.id}}}));
}
