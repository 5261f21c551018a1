#include "repo/content_stream.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "repo/blob_writer.hpp"
#include "support/far_store.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"

#include <algorithm>
#include <doctest/doctest.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t chunk_size = 500'000;
constexpr std::size_t chunks = 64;

/// A stream of random bytes, stored far away.
struct Sample {
    std::shared_ptr<FarStore> store;
    std::shared_ptr<Repository> repository;
    Bytes bytes = seeded_bytes(7, chunks* chunk_size);
    Content content;

    explicit Sample(std::uint32_t connections = 4)
        : store(std::make_shared<FarStore>(connections)), repository(init_sample(store))
    {
        const auto index = BlobIndex::load(*repository, Condemned{}, Freshness::fresh, {});
        WorkerGroup group;
        BlobWriter writer(*repository, random_id<SessionId>(), *index, {}, group);
        const auto lane = writer.open_lane();
        for (std::size_t at = 0; at < bytes.size(); at += chunk_size) {
            const auto put = lane->put(BlobKind::data, ByteSpan(bytes).subspan(at, chunk_size));
            content.items.push_back({chunk_size, put.id});
        }
        lane->flush();
        writer.finish();
        group.join();
    }

    std::unique_ptr<ContentStream> open(std::size_t cache = 16 * MiB) const
    {
        return std::make_unique<ContentStream>(
            std::make_shared<BlobReader>(
                *repository, BlobIndex::load(*repository, Condemned{}, Freshness::fresh, {}),
                cache),
            content);
    }

    void check(SnapshotStream& stream, std::uint64_t begin, std::uint64_t end) const
    {
        Bytes piece(1 * MiB);
        for (std::uint64_t at = begin; at < end; at += piece.size()) {
            piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), end - at)));
            REQUIRE(stream.read_at(at, piece, {}) == piece.size());
            REQUIRE(
                equal(piece, ByteSpan(bytes).subspan(static_cast<std::size_t>(at), piece.size())));
        }
    }
};

} // namespace

TEST_CASE("a stream that is read in order comes from far away in few reads")
{
    const Sample sample;
    SUBCASE("and who tells so gets it from the first byte on")
    {
        const auto stream = sample.open();
        const std::uint64_t before = sample.store->reads();
        stream->expect(0, stream->size());
        sample.check(*stream, 0, stream->size());
        CHECK(sample.store->reads() - before <= 10);
    }
    SUBCASE("and it is found out otherwise")
    {
        const auto stream = sample.open();
        const std::uint64_t before = sample.store->reads();
        sample.check(*stream, 0, stream->size());
        CHECK(sample.store->reads() - before <= 16);
    }
}

TEST_CASE("no more is fetched than was said to be read")
{
    const Sample sample;
    const auto stream = sample.open();
    const std::uint64_t before = sample.store->bytes();
    stream->expect(4 * chunk_size, 12 * chunk_size);
    sample.check(*stream, 4 * chunk_size, 12 * chunk_size);
    CHECK(sample.store->bytes() - before <= 10 * (chunk_size + 100));
}

TEST_CASE("little memory and a store that is near are no reason to read anything false")
{
    const Sample near(0);
    const auto stream = near.open();
    stream->expect(0, stream->size());
    near.check(*stream, 0, stream->size());

    const Sample far;
    const auto poor = far.open(1 * MiB);
    poor->expect(0, poor->size());
    far.check(*poor, 0, poor->size());
}

TEST_CASE("damage within what is fetched together costs one frame, which is named with its pack")
{
    const Sample sample;
    std::map<std::string, Bytes> contents = contents_of(*sample.store);
    const auto pack = std::find_if(contents.begin(), contents.end(), [](const auto& object) {
        return object.first.starts_with("packs/") && object.second.size() > 8 * chunk_size;
    });
    REQUIRE(pack != contents.end());
    pack->second[5 * chunk_size] ^= 1;
    const auto damaged = std::make_shared<FarStore>();
    for (const auto& [key, bytes] : contents) {
        damaged->create(key, bytes, {});
    }
    const auto repository = open_sample(damaged);
    ContentStream stream(
        std::make_shared<BlobReader>(
            *repository, BlobIndex::load(*repository, Condemned{}, Freshness::fresh, {}), 16 * MiB),
        sample.content);
    stream.expect(0, stream.size());
    std::size_t lost = 0;
    Bytes piece(chunk_size);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
        const auto error = error_of([&] { stream.read_at(chunk * chunk_size, piece, {}); });
        if (!error) {
            CHECK(equal(piece, ByteSpan(sample.bytes).subspan(chunk * chunk_size, chunk_size)));
            continue;
        }
        ++lost;
        CHECK(error->code() == ErrorCode::damaged);
        CHECK(std::string(error->what()).find(sample.content.items[chunk].id.hex()) !=
              std::string::npos);
        CHECK(std::string(error->what()).find(pack->first) != std::string::npos);
    }
    CHECK(lost >= 1);
    CHECK(lost <= 3);
}

TEST_CASE("a read ahead of a stream ends with a cancelled reader")
{
    const Sample sample;
    const auto stream = sample.open();
    stream->expect(0, stream->size());
    std::stop_source stop;
    stop.request_stop();
    Bytes piece(chunk_size);
    CHECK(error_name_of([&] { stream->read_at(0, piece, stop.get_token()); }) ==
          error_code_name(ErrorCode::cancelled));
    sample.check(*stream, 0, stream->size());
}

} // namespace backstay::core
