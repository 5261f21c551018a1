#include "engine/backup.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

/// A file with a hole of 2 MiB at 4 MiB, whose reading breaks off at an offset; sparse or not.
class BrokenOff : public MemorySource
{
public:
    explicit BrokenOff(Files files) : MemorySource(std::move(files), 1) { has_tokens = true; }

    std::uint64_t breaks_at = UINT64_MAX;
    std::uint64_t lowest_read = UINT64_MAX;
    bool is_sparse = false;
    std::uint8_t token = 1;

    std::optional<SourceEntry> next(std::uint32_t lane) override
    {
        auto entry = MemorySource::next(lane);
        if (entry) {
            entry->sparse = is_sparse;
            entry->entry.change_token = {token};
        }
        return entry;
    }
    std::size_t read(std::uint32_t lane, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override
    {
        lowest_read = std::min(lowest_read, offset);
        if (offset >= breaks_at) {
            throw Error(ErrorCode::no_memory, "the test's fault");
        }
        return MemorySource::read(lane, item, offset, buffer);
    }
    std::optional<SnapshotStream::Extent> next_data(std::uint32_t, std::uint64_t,
                                                    std::uint64_t offset) override
    {
        if (offset < 4 * MiB) {
            return SnapshotStream::Extent{offset, 4 * MiB};
        }
        return SnapshotStream::Extent{std::max<std::uint64_t>(offset, 6 * MiB), 24 * MiB};
    }
};

} // namespace

TEST_CASE("an interrupted backup goes on from its checkpoint without reading again")
{
    const auto disk = std::make_shared<MemoryStore>();
    const auto repository = init_sample(disk);
    Files many;
    for (int i = 0; i < 200; ++i) {
        many["file" + std::to_string(i)] =
            seeded_bytes(100 + static_cast<std::uint64_t>(i), 20'000);
    }
    BackupOptions options;
    options.checkpoint_bytes = 1 * MiB;
    auto source = std::make_shared<MemorySource>(many, 1);
    source->has_tokens = true;
    source->verdict.kind = SourceVerdict::Kind::failed; // ends it when all is read
    CHECK_THROWS_AS(back_up(*repository, source, options), Error);
    const std::uint64_t reads = source->reads;
    source->verdict.kind = SourceVerdict::Kind::ok;
    back_up(*repository, source, options);
    CHECK(source->reads - reads < reads / 2);
    CHECK(all_contents(*repository) == std::vector<Files>{many});
}

TEST_CASE("an interrupted backup goes on within a large file")
{
    Bytes bytes = seeded_bytes(7, 24 * MiB);
    std::fill_n(bytes.begin() + 4 * MiB, 2 * MiB, std::uint8_t{0});
    for (const bool is_sparse : {false, true}) {
        CAPTURE(is_sparse);
        const auto repository = init_sample(std::make_shared<MemoryStore>());
        BackupOptions options;
        options.checkpoint_bytes = 1 * MiB;
        const auto source = std::make_shared<BrokenOff>(Files{{"large", bytes}});
        source->is_sparse = is_sparse;
        source->breaks_at = 16 * MiB;
        CHECK_THROWS_AS(back_up(*repository, source, options), Error);
        CHECK(source->lowest_read == 0);

        source->breaks_at = UINT64_MAX;
        source->lowest_read = UINT64_MAX;
        back_up(*repository, source, options);
        CHECK(source->lowest_read > 8 * MiB);
        CHECK(all_contents(*repository) == std::vector<Files>{{{"large", bytes}}});

        // As a whole it is a parent like any other.
        source->lowest_read = UINT64_MAX;
        back_up(*repository, source, options);
        CHECK(source->lowest_read == UINT64_MAX);
    }
}

TEST_CASE("pages of large files' lists are stored before a checkpoint names them")
{
    const auto repository = init_sample(std::make_shared<MemoryStore>());
    BackupOptions options;
    options.checkpoint_bytes = 1 * MiB;
    const Files files{{"large", seeded_bytes(8, 60 * MiB)}};
    const auto source = std::make_shared<BrokenOff>(files);
    source->breaks_at = 40 * MiB;
    CHECK_THROWS_AS(back_up(*repository, source, options), Error);
    source->breaks_at = UINT64_MAX;
    source->lowest_read = UINT64_MAX;
    back_up(*repository, source, options);
    CHECK(source->lowest_read > 36 * MiB);
    CHECK(all_contents(*repository) == std::vector<Files>{files});
}

TEST_CASE("a large file that was finished before a checkpoint is not read again")
{
    const auto repository = init_sample(std::make_shared<MemoryStore>());
    BackupOptions options;
    options.checkpoint_bytes = 4 * MiB;
    Files files{{"the first that comes", seeded_bytes(7, 30 * MiB)}};
    for (std::uint64_t i = 0; i < 80; ++i) {
        files["small" + std::to_string(i)] = seeded_bytes(100 + i, 200'000);
    }
    const auto source = std::make_shared<MemorySource>(files, 1);
    source->has_tokens = true;
    source->verdict.kind = SourceVerdict::Kind::failed; // when all is read
    CHECK_THROWS_AS(back_up(*repository, source, options), Error);
    source->verdict.kind = SourceVerdict::Kind::ok;
    const Record again = back_up(*repository, source, options);
    CHECK(again.number("bytes_read") < 20 * MiB);
    CHECK(all_contents(*repository) == std::vector<Files>{files});
}

TEST_CASE("what an interrupted backup read of a file that has changed since is not used")
{
    const auto repository = init_sample(std::make_shared<MemoryStore>());
    BackupOptions options;
    options.checkpoint_bytes = 1 * MiB;
    const auto source = std::make_shared<BrokenOff>(Files{{"large", seeded_bytes(7, 24 * MiB)}});
    source->breaks_at = 16 * MiB;
    CHECK_THROWS_AS(back_up(*repository, source, options), Error);

    const Files later{{"large", seeded_bytes(8, 24 * MiB)}};
    const auto changed = std::make_shared<BrokenOff>(later);
    changed->token = 2;
    back_up(*repository, changed, options);
    CHECK(all_contents(*repository) == std::vector<Files>{later});
}
