#include "base/error.hpp"
#include "base/record.hpp"
#include "engine/log_archive.hpp"
#include "engine/log_fetch.hpp"
#include "engine/log_push.hpp"
#include "engine/log_retention.hpp"
#include "postgres/log_position.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <fmt/core.h>

using namespace backstay::core;

namespace
{

constexpr std::uint64_t segment_size = 16 * MiB;
const LogOrigin origin{"7430000000000000001", segment_size};

std::string name_of(std::uint64_t number, std::uint32_t timeline = 1)
{
    return segment_name({timeline, number}, segment_size);
}

Bytes bytes_of(std::uint64_t number)
{
    return seeded_bytes(static_cast<unsigned>(number), 3000);
}

/// As a segment, only smaller: nothing here looks into it.
LogFile log_file(const std::string& name, const Bytes& bytes)
{
    LogFile file;
    file.name = name;
    file.file = std::make_shared<FileDescriptor>(open_unnamed_file(temporary_folder()));
    file.size = bytes.size();
    write_at(file.file->get(), 0, bytes, name);
    return file;
}

Record store(Repository& repository, const std::string& name, const Bytes& bytes)
{
    JobContext context;
    return store_log_files(repository, origin, {log_file(name, bytes)}, small_limits(), context);
}

Bytes fetched(Repository& repository, const std::string& name)
{
    const TempDir folder;
    JobContext context;
    fetch_log_file(repository, {name, folder / "out", origin.system_id, ""}, small_limits(),
                   context);
    return read_small_file(folder / "out", MiB);
}

/// A snapshot as lists have it, of which only the log's record matters.
Snapshot log_snapshot(const std::vector<std::string>& names, unsigned number)
{
    std::string files;
    for (const std::string& name : names) {
        files +=
            fmt::format("{}{{\"name\":\"{}\",\"sha256\":\"00\"}}", files.empty() ? "" : ",", name);
    }
    Snapshot snapshot;
    snapshot.record.kind = "log";
    snapshot.record.id.bytes[0] = static_cast<std::uint8_t>(number);
    SnapshotSource source;
    source.kind = "postgres.log";
    source.record = fmt::format("{{\"system_id\":\"1\",\"wal_segment_size\":{},\"files\":[{}]}}",
                                segment_size, files);
    snapshot.record.sources.push_back(source);
    return snapshot;
}

Snapshot physical_snapshot(std::uint64_t begin)
{
    Snapshot snapshot;
    SnapshotSource source;
    source.kind = "postgres.physical";
    source.record =
        fmt::format("{{\"system_id\":\"1\",\"wal_segment_size\":{},\"wal_begin\":\"{}\"}}",
                    segment_size, format_log_position(begin * segment_size));
    snapshot.record.sources.push_back(source);
    return snapshot;
}

} // namespace

TEST_CASE("a long log lies in few snapshots, and all of it can be had")
{
    SampleRepository sample;
    Repository& repository = *sample.repository;
    constexpr std::uint64_t count = 80;
    for (std::uint64_t number = 1; number <= count; ++number) {
        CHECK(store(repository, name_of(number), bytes_of(number)).number("files") == 1);
    }
    const SnapshotList list = list_snapshots(repository, {});
    CHECK(list.snapshots.size() < count / 2);
    const LogArchive archive(list, origin.system_id);
    CHECK(archive.last_segment(1) == name_of(count));
    CHECK(archive.last_segment(2).empty());
    for (const std::uint64_t number : {1UL, 2UL, 40UL, 79UL, 80UL}) {
        CAPTURE(number);
        CHECK(fetched(repository, name_of(number)) == bytes_of(number));
    }
    CHECK(log_gaps(list).empty());
    JobContext context;
    run_prune(repository, prune_all(), small_limits(), context);
    CHECK(fetched(repository, name_of(1)) == bytes_of(1));
    CHECK(problems_of_check(repository) == 0);
}

TEST_CASE("the same file of a log is stored once, and another of its name is refused")
{
    SampleRepository sample;
    Repository& repository = *sample.repository;
    store(repository, name_of(1), bytes_of(1));
    CHECK(store(repository, name_of(1), bytes_of(1)).number("files") == 0);
    CHECK(list_snapshots(repository, {}).snapshots.size() == 1);
    try {
        store(repository, name_of(1), bytes_of(2));
        FAIL("a second history was taken");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::conflict);
    }
    try {
        fetched(repository, name_of(2));
        FAIL("what is not there was given");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::not_found);
    }
}

TEST_CASE("what comes next waits in the spool, whole and of its own system")
{
    SampleRepository sample;
    Repository& repository = *sample.repository;
    for (std::uint64_t number = 1; number <= 12; ++number) {
        store(repository, name_of(number), bytes_of(number));
    }
    store(repository, "000000010000000000000001.00000028.backup", bytes_of(99));
    const TempDir folder;
    const std::string spool = folder / "spool";
    const auto fetch = [&](std::uint64_t number) {
        JobContext context;
        const Record summary =
            fetch_log_file(repository, {name_of(number), folder / "out", origin.system_id, spool},
                           small_limits(), context);
        CHECK(read_small_file(folder / "out", MiB) == bytes_of(number));
        return !summary.text("snapshot").empty(); // out of the repository
    };
    CHECK(fetch(1));
    CHECK_FALSE(fetch(2));
    CHECK_FALSE(fetch(9));
    CHECK(fetch(10));
    CHECK_FALSE(fetch(12));
    CHECK(fetch(12)); // it was taken out
    JobContext context;
    CHECK_THROWS_AS(fetch_log_file(repository, {name_of(3), folder / "out", "1", spool},
                                   small_limits(), context),
                    Error);
}

TEST_CASE("gaps are found on each timeline, and matter unless a backup begins behind them")
{
    SnapshotList list;
    list.snapshots = {log_snapshot({name_of(3), name_of(4)}, 1), log_snapshot({name_of(7)}, 2),
                      log_snapshot({name_of(8, 2), "00000002.history"}, 3)};
    auto gaps = log_gaps(list);
    REQUIRE(gaps.size() == 1);
    CHECK(gaps[0].first == name_of(5));
    CHECK(gaps[0].last == name_of(6));
    CHECK(gaps[0].ends_recovery);
    list.snapshots.push_back(physical_snapshot(6));
    CHECK(log_gaps(list)[0].ends_recovery);
    list.snapshots.push_back(physical_snapshot(7));
    CHECK_FALSE(log_gaps(list)[0].ends_recovery);
    list.snapshots.push_back(log_snapshot({name_of(6), name_of(5)}, 4));
    CHECK(log_gaps(list).empty());
}

TEST_CASE("the log goes only when no backup that stays needs it")
{
    SnapshotList list;
    list.snapshots = {log_snapshot({name_of(3)}, 1),
                      physical_snapshot(4),
                      log_snapshot({name_of(4), name_of(5)}, 2),
                      physical_snapshot(6),
                      log_snapshot({name_of(6)}, 3),
                      log_snapshot({"00000002.history"}, 4)};
    const auto unneeded = [&](const std::vector<bool>& kept) {
        std::vector<int> numbers;
        for (const Snapshot* snapshot : unneeded_logs(list, kept)) {
            numbers.push_back(snapshot->record.id.bytes[0]);
        }
        return numbers;
    };
    CHECK(unneeded({true, true, true, true, true, true}) == std::vector<int>{1});
    CHECK(unneeded({true, false, true, true, true, true}) == std::vector<int>{1, 2});
    CHECK(unneeded({true, false, true, false, true, true}).empty());
    list.snapshots[0].pinned = true;
    CHECK(unneeded({true, true, true, true, true, true}).empty());
}
