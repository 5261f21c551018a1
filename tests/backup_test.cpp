#include "engine/backup.hpp"
#include "engine/layered_view.hpp"
#include "engine/snapshot_access.hpp"
#include "engine/verify.hpp"
#include "support/fake_view.hpp"
#include "support/faulty_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"

#include <chrono>
#include <condition_variable>
#include <doctest/doctest.h>
#include <mutex>

using namespace backstay::core;

namespace
{

/// Its first lane cannot go on; its second waits until it is stopped, as a walk does for folders
/// that the first may still find.
class HalfDeadSource : public MemorySource
{
public:
    HalfDeadSource() : MemorySource(monday(), 2) {}
    SessionPlan open(SnapshotView* parent, ProblemSink problems, std::stop_token stop) override
    {
        stop_ = stop;
        return MemorySource::open(parent, std::move(problems), stop);
    }
    std::optional<SourceEntry> next(std::uint32_t lane) override
    {
        if (lane == 0) {
            throw Error(ErrorCode::source, "the first lane is lost");
        }
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock(mutex);
        if (!never.wait_for(lock, stop_, std::chrono::seconds(20),
                            [this] { return stop_.stop_requested(); })) {
            FAIL_CHECK("nobody stopped the lane that waits");
        }
        throw Error(ErrorCode::cancelled, "cancelled");
    }

private:
    std::stop_token stop_;
};

/// Its files are never the same for long.
class RestlessSource : public MemorySource
{
public:
    using MemorySource::MemorySource;
    Outcome outcome(std::uint32_t, std::uint64_t, Entry& now) override
    {
        now.size = 12'345; // has grown since it was read
        return Outcome::changed;
    }
};

/// Gives its entries' extended attributes only when it is asked.
class LateSource : public MemorySource
{
public:
    using MemorySource::MemorySource;
    std::optional<SourceEntry> next(std::uint32_t lane) override
    {
        std::optional<SourceEntry> entry = MemorySource::next(lane);
        if (entry) {
            entry->lacks_xattrs = true;
        }
        return entry;
    }
    void complete(std::uint32_t, std::uint64_t, Entry& entry) override
    {
        entry.xattrs = {{"user.late", {'1'}}};
    }
};

/// Says, of a file that the parent has, which stretches of that are there again.
class KeepingSource : public MemorySource
{
public:
    using Extent = SnapshotStream::Extent;
    explicit KeepingSource(Files files) : MemorySource(std::move(files), 1) {}
    std::vector<Extent> kept; ///< of every file
    ChunkPolicy policy{ChunkPolicy::Kind::grid, 1024};

    SessionPlan open(SnapshotView* parent, ProblemSink problems, std::stop_token stop) override
    {
        parent_ = parent != nullptr ? parent->committed() : nullptr;
        return MemorySource::open(parent, std::move(problems), stop);
    }
    std::optional<SourceEntry> next(std::uint32_t lane) override
    {
        std::optional<SourceEntry> entry = MemorySource::next(lane);
        if (entry) {
            entry->policy = policy;
            const auto before =
                parent_ != nullptr ? parent_->lookup(entry->entry.path) : std::nullopt;
            if (before && !kept.empty()) {
                entry->kept_from = before->content;
            }
        }
        return entry;
    }
    std::optional<Extent> next_kept(std::uint32_t, std::uint64_t, std::uint64_t offset) override
    {
        for (const Extent& extent : kept) {
            if (extent.end > offset) {
                return Extent{std::max(extent.begin, offset), extent.end};
            }
        }
        return std::nullopt;
    }

private:
    SnapshotView* parent_ = nullptr;
};

/// Of 300,000 bytes, which on a grid of 1 KiB take list pages: some change, some come after.
Files pages_before()
{
    return {{"pages", seeded_bytes(1, 300'000)}};
}

Files pages_after()
{
    Files files = pages_before();
    Bytes& bytes = files["pages"];
    std::fill(bytes.begin() + 5'000, bytes.begin() + 6'000, std::uint8_t{7});
    append(bytes, seeded_bytes(2, 700));
    return files;
}

std::shared_ptr<KeepingSource> source_of_pages_after()
{
    auto source = std::make_shared<KeepingSource>(pages_after());
    source->kept = {{0, 5'000}, {6'000, 200'000}, {200'000, 300'000}};
    return source;
}

} // namespace

TEST_CASE("what is restored is what was saved")
{
    SampleRepository sample;
    const Record summary = back_up(*sample.repository, monday());
    CHECK(summary.number("entries") == 4);
    CHECK(summary.number("bytes_source") == 301'005);
    CHECK(summary.text("verdict") == "ok");
    CHECK(all_contents(*sample.repository) == std::vector<Files>{monday()});
    CHECK(problems_of_check(*sample.repository) == 0);
}

TEST_CASE("a second backup stores only what changed and each snapshot restores by itself")
{
    SampleRepository sample;
    back_up(*sample.repository, monday());
    sample.clock.advance(3600);
    const Record summary = back_up(*sample.repository, tuesday());
    CHECK(summary.number("entries_new") == 1);
    CHECK(summary.number("entries_changed") == 1);
    CHECK(summary.number("entries_unchanged") == 2);
    CHECK(summary.number("bytes_new") < 210'000);
    CHECK(all_contents(*sample.repository) == std::vector<Files>{monday(), tuesday()});
}

TEST_CASE("an entry whose token is the parent's is taken over unread")
{
    SampleRepository sample;
    auto source = std::make_shared<MemorySource>(monday());
    source->has_tokens = true;
    back_up(*sample.repository, source);
    const std::uint64_t reads = source->reads;
    CHECK(reads > 0);
    const Record summary = back_up(*sample.repository, source);
    CHECK(source->reads == reads);
    CHECK(summary.number("bytes_read") == 0);
    CHECK(summary.number("entries_unchanged") == 4);
    CHECK(all_contents(*sample.repository) == std::vector<Files>{monday(), monday()});
}

TEST_CASE("a parent does not vouch for blobs that the index has lost")
{
    SampleRepository sample;
    auto source = std::make_shared<MemorySource>(monday());
    source->has_tokens = true;
    back_up(*sample.repository, source);
    for (const std::string& key : keys_of(*sample.store, "index/")) {
        sample.store->remove(key, {});
    }
    for (const std::string& key : keys_of(*sample.store, "packs/")) {
        sample.store->remove(key, {});
    }
    back_up(*sample.repository, source);
    CHECK(contents(*sample.repository, list_snapshots(*sample.repository, {}).snapshots.back()) ==
          monday());
}

TEST_CASE("stretches that a source says are the parent's are taken over unread")
{
    SampleRepository sample;
    back_up(*sample.repository, std::make_shared<KeepingSource>(pages_before()));
    const Record summary = back_up(*sample.repository, source_of_pages_after());
    // All but the two pieces that changed, the one where stretches meet, and what comes after.
    CHECK(summary.number("bytes_read") == 2 * 1024 + 1024 + 700);
    CHECK(summary.number("bytes_source") == 300'700);
    CHECK(summary.number("entries_changed") == 1);
    CHECK(all_contents(*sample.repository) == std::vector<Files>{pages_before(), pages_after()});
    CHECK(problems_of_check(*sample.repository) == 0);
}

TEST_CASE("stretches of a parent that was cut otherwise are taken over where they fit")
{
    SampleRepository sample;
    auto before = std::make_shared<KeepingSource>(pages_before());
    before->policy = {ChunkPolicy::Kind::cdc, 4096};
    back_up(*sample.repository, before);
    const Record summary = back_up(*sample.repository, source_of_pages_after());
    CHECK(summary.number("bytes_read") < 100'000);
    CHECK(all_contents(*sample.repository) == std::vector<Files>{pages_before(), pages_after()});
}

TEST_CASE("stretches of a parent whose blobs or lists are lost are read")
{
    SampleRepository sample;
    back_up(*sample.repository, std::make_shared<KeepingSource>(pages_before()));
    for (const char* folder : {"index/", "packs/"}) {
        for (const std::string& key : keys_of(*sample.store, folder)) {
            sample.store->remove(key, {});
        }
    }
    back_up(*sample.repository, source_of_pages_after());
    CHECK(contents(*sample.repository, list_snapshots(*sample.repository, {}).snapshots.back()) ==
          pages_after());
}

TEST_CASE("what an interrupted run left is not taken for the parent snapshot")
{
    const auto older = std::make_shared<FakeView>();
    older->add_file("file", "of the snapshot");
    const auto newer = std::make_shared<FakeView>();
    newer->add_file("file", "of the interrupted run");
    CHECK(LayeredView(newer, older).committed() == older.get());
    CHECK(LayeredView(newer, nullptr).committed() == nullptr);
}

TEST_CASE("an unreadable file is a problem and the rest is saved")
{
    SampleRepository sample;
    auto source = std::make_shared<MemorySource>(monday());
    source->unreadable = {"a.txt"};
    const Record summary = back_up(*sample.repository, source);
    CHECK(summary.number("problems") == 1);
    CHECK(summary.text("verdict") == "problems");
    Files rest = monday();
    rest.erase("a.txt");
    CHECK(all_contents(*sample.repository) == std::vector<Files>{rest});
}

TEST_CASE("what lies too deep for a restore is told, and what a restore can make is saved")
{
    SampleRepository sample;
    std::string folders; // of which the source's own is the first
    for (std::size_t i = 1; i < max_path_depth; ++i) {
        folders += "d/";
    }
    const Files deep{{folders + "file", seeded_bytes(1, 100)}};
    Files files = deep;
    files[folders + "d/file"] = seeded_bytes(2, 100);
    const Record summary = back_up(*sample.repository, std::make_shared<MemorySource>(files));
    CHECK(summary.number("problems") == 1);
    CHECK(summary.text("verdict") == "problems");
    CHECK(all_contents(*sample.repository) == std::vector<Files>{deep});
}

TEST_CASE("a source that says it failed makes no snapshot and is settled once")
{
    SampleRepository sample;
    auto source = std::make_shared<MemorySource>(monday());
    source->verdict.kind = SourceVerdict::Kind::failed;
    CHECK_THROWS_AS(back_up(*sample.repository, source), Error);
    CHECK(source->settled == 1);
    CHECK_FALSE(source->committed);
    CHECK(list_snapshots(*sample.repository, {}).snapshots.empty());
}

TEST_CASE("a backup that fails at any operation leaves earlier snapshots whole, and the next one "
          "succeeds")
{
    for (const auto when : {FaultyStore::When::before, FaultyStore::When::after}) {
        for (const auto how : {FaultyStore::How::once, FaultyStore::How::ever_after}) {
            bool reached = true;
            for (std::uint64_t nth = 1; reached; ++nth) {
                CAPTURE(nth);
                const auto disk = std::make_shared<MemoryStore>();
                back_up(*init_sample(disk), monday());
                const auto faulty =
                    std::make_shared<FaultyStore>(disk, nth, when, how, ErrorCode::storage);
                bool succeeded = false;
                try {
                    back_up(*open_sample(faulty), tuesday());
                    succeeded = true;
                } catch (const Error&) {
                    succeeded = false;
                }
                reached = faulty->failed();
                const auto repository = open_sample(disk);
                std::vector<Files> found = all_contents(*repository);
                REQUIRE(!found.empty());
                CHECK(found.front() == monday());
                if (succeeded) {
                    REQUIRE(found.size() == 2);
                }
                for (std::size_t i = 1; i < found.size(); ++i) {
                    CHECK(found[i] == tuesday()); // whole, or not there
                }
                CHECK(problems_of_check(*repository) == 0);
                back_up(*repository, tuesday());
                CHECK(all_contents(*repository).back() == tuesday());
            }
        }
    }
}

TEST_CASE("a cancelled backup ends soon, commits nothing and settles its source")
{
    SampleRepository sample;
    std::stop_source stop;
    stop.request_stop();
    JobContext context(stop.get_token());
    auto source = std::make_shared<MemorySource>(monday());
    BackupSource given;
    given.name = "data";
    given.kind = "host";
    given.source = source;
    CHECK_THROWS_AS(run_backup(*sample.repository, {given}, {}, small_limits(), context), Error);
    CHECK(source->settled == source->opened);
    CHECK(list_snapshots(*sample.repository, {}).snapshots.empty());
}

TEST_CASE("a lane that fails does not leave the others waiting for ever")
{
    SampleRepository sample;
    JobContext context;
    BackupSource given;
    given.name = "data";
    given.kind = "host";
    given.source = std::make_shared<HalfDeadSource>();
    CHECK_THROWS_WITH_AS(run_backup(*sample.repository, {given}, {}, small_limits(), context),
                         doctest::Contains("the first lane is lost"), Error);
}

TEST_CASE("a file that never stays the same is told, and kept as it was read last")
{
    SampleRepository sample;
    const Files files{{"a.txt", seeded_bytes(1, 1000)}};
    const auto source = std::make_shared<RestlessSource>(files);
    const Record summary = back_up(*sample.repository, source);
    CHECK(summary.number("problems") == 1);
    const SnapshotList list = list_snapshots(*sample.repository, {});
    CHECK(contents(*sample.repository, list.snapshots.at(0)) == files);
    SnapshotAccess access(*sample.repository, list.snapshots.at(0), small_limits(),
                          SnapshotAccess::Announce::no, {});
    const auto entry = access.at("data")->lookup("a.txt");
    REQUIRE(entry);
    CHECK(entry->size == 1000);
    CHECK(problems_of_check(*sample.repository) == 0);
}

TEST_CASE("verify compares what an incomplete entry lacks, too")
{
    SampleRepository sample;
    Files one{{"a.txt", seeded_bytes(1, 1000)}};
    back_up(*sample.repository, std::make_shared<LateSource>(one));
    const SnapshotList list = list_snapshots(*sample.repository, {});
    LateSource source(one);
    JobContext context;
    const Record verified = run_verify(*sample.repository, list.snapshots.at(0), "data", source,
                                       small_limits(), context);
    CHECK(verified.number("differences") == 0);
}

TEST_CASE("a newest snapshot that cannot be read does not fail a backup whose parent is latest")
{
    SampleRepository sample;
    back_up(*sample.repository, monday());
    const std::vector<std::string> before = keys_of(*sample.store, "snapshots/");
    back_up(*sample.repository, tuesday());
    for (const std::string& key : keys_of(*sample.store, "snapshots/")) {
        if (key != before.front()) {
            Bytes bytes = get_object(*sample.store, key, MiB, {});
            bytes[bytes.size() / 2] ^= 1;
            sample.store->remove(key, {});
            sample.store->create(key, bytes, {});
        }
    }
    BackupOptions options;
    options.parent = "latest";
    CHECK_NOTHROW(back_up(*sample.repository, tuesday(), options));
    CHECK(all_contents(*sample.repository) == std::vector<Files>{monday(), tuesday()});
}
