#include "engine/backup.hpp"
#include "engine/check.hpp"
#include "engine/forget.hpp"
#include "engine/layered_view.hpp"
#include "engine/prune.hpp"
#include "engine/snapshot_access.hpp"
#include "engine/verify.hpp"
#include "support/fake_view.hpp"
#include "support/faulty_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"
#include "support/temp_dir.hpp"

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

TEST_CASE("forget and prune that fail at any operation lose nothing that is kept, and the next "
          "ones finish")
{
    for (const auto when : {FaultyStore::When::before, FaultyStore::When::after}) {
        bool reached = true;
        for (std::uint64_t nth = 1; reached; ++nth) {
            CAPTURE(nth);
            const auto disk = std::make_shared<MemoryStore>();
            {
                const auto repository = init_sample(disk);
                back_up(*repository, monday());
                back_up(*repository, tuesday());
            }
            const auto faulty = std::make_shared<FaultyStore>(
                disk, nth, when, FaultyStore::How::ever_after, ErrorCode::storage);
            ForgetOptions forget;
            forget.policy.last = 1;
            forget.prune = prune_all();
            try {
                JobContext context;
                run_forget(*open_sample(faulty), forget, small_limits(), context);
            } catch (const Error&) {
                // what was left half done is the point
            }
            reached = faulty->failed();
            const auto repository = open_sample(disk);
            CHECK(all_contents(*repository).back() == tuesday());
            CHECK(problems_of_check(*repository) == 0);
            JobContext context;
            run_forget(*repository, forget, small_limits(), context);
            CHECK(all_contents(*repository) == std::vector<Files>{tuesday()});
            CHECK(problems_of_check(*repository) == 0);
        }
    }
}

TEST_CASE("prune gives back all that no snapshot needs")
{
    SampleRepository sample;
    back_up(*sample.repository, monday());
    back_up(*sample.repository, {{"small", seeded_bytes(9, 100)}});
    ForgetOptions forget;
    forget.policy.last = 1;
    forget.prune = prune_all();
    JobContext context;
    run_forget(*sample.repository, forget, small_limits(), context);
    std::uint64_t left = 0;
    for (const auto& [key, bytes] : contents_of(*sample.store)) {
        left += key.starts_with("packs/") ? bytes.size() : 0;
    }
    CHECK(left < 5000);
    CHECK(all_contents(*sample.repository) ==
          std::vector<Files>{{{"small", seeded_bytes(9, 100)}}});
}

TEST_CASE("a prune that finds a pack missing which a snapshot needs removes nothing, and says so")
{
    for (const std::size_t which : {0U, 1U}) { // of chunks and of pages, in whatever order
        CAPTURE(which);
        SampleRepository sample;
        back_up(*sample.repository, monday());
        back_up(*sample.repository, {{"small", seeded_bytes(9, 100)}});
        ForgetOptions forget;
        forget.policy.last = 1;
        JobContext context;
        run_forget(*sample.repository, forget, small_limits(), context);
        const std::vector<std::string> before = keys_of(*sample.store, "packs/");
        back_up(*sample.repository, {{"other", seeded_bytes(8, 100)}});
        std::vector<std::string> needed = keys_of(*sample.store, "packs/");
        std::erase_if(needed, [&](const std::string& key) {
            return std::find(before.begin(), before.end(), key) != before.end();
        });
        REQUIRE(needed.size() == 2);
        sample.store->remove(needed[which], {});
        const std::size_t left = keys_of(*sample.store, "packs/").size();
        try {
            run_prune(*sample.repository, prune_all(), small_limits(), context);
            FAIL("it went on");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::damaged);
            const std::string what = error.what();
            const std::size_t told = what.find("nothing was removed");
            CHECK(told != std::string::npos);
            CHECK_MESSAGE(what.find("nothing was removed", told + 1) == std::string::npos, what);
        }
        CHECK(keys_of(*sample.store, "packs/").size() == left);
    }
}

TEST_CASE("what a lost or damaged segment of the index knew is read from the packs themselves")
{
    for (const bool lost : {true, false}) {
        CAPTURE(lost);
        SampleRepository sample;
        back_up(*sample.repository, monday());
        back_up(*sample.repository, tuesday());
        for (const std::string& key : keys_of(*sample.store, "index/")) {
            Bytes bytes = get_object(*sample.store, key, MiB, {});
            sample.store->remove(key, {});
            if (!lost) {
                bytes[bytes.size() / 2] ^= 1;
                sample.store->create(key, bytes, {});
            }
        }
        CHECK(all_contents(*sample.repository) == std::vector<Files>{monday(), tuesday()});
        CHECK(problems_of_check(*sample.repository) > 0);
        const Record again = back_up(*sample.repository, tuesday());
        CHECK(again.number("problems") == (lost ? 0 : 2));
        CHECK(all_contents(*sample.repository) ==
              std::vector<Files>{monday(), tuesday(), tuesday()});
        JobContext context;
        CHECK_THROWS_WITH_AS(run_prune(*sample.repository, prune_all(), small_limits(), context),
                             doctest::Contains("nothing was removed"), Error);
    }
}

TEST_CASE("check looks at what the store has, not at the cache's copies of it")
{
    const TempDir cache;
    SampleRepository sample;
    back_up(*sample.repository, monday());
    OpenOptions open;
    open.cache_folder = cache / "cache";
    const auto repository = open_sample(sample.store, open);
    CHECK(all_contents(*repository) == std::vector<Files>{monday()}); // fills the cache
    for (const char* folder : {"snapshots/", "index/"}) {
        CAPTURE(folder);
        const std::string key = keys_of(*sample.store, folder).front();
        const Bytes whole = get_object(*sample.store, key, MiB, {});
        Bytes bytes = whole;
        bytes[bytes.size() / 2] ^= 1;
        sample.store->remove(key, {});
        sample.store->create(key, bytes, {});
        CHECK(problems_of_check(*repository) > 0);
        CHECK(all_contents(*repository) == std::vector<Files>{monday()});
        sample.store->remove(key, {});
        sample.store->create(key, whole, {});
        CHECK(problems_of_check(*repository) == 0);
    }
}

TEST_CASE("every damaged object is found by check, and no restore gives false bytes")
{
    const auto disk = std::make_shared<MemoryStore>();
    back_up(*init_sample(disk), monday());
    const std::map<std::string, Bytes> whole = contents_of(*disk);
    for (const auto& [key, bytes] : whole) {
        // A flip at some places of each object, one cut short, one missing.
        std::vector<Bytes> damaged;
        for (const std::size_t at :
             {std::size_t{0}, bytes.size() / 3, bytes.size() / 2, bytes.size() - 1}) {
            Bytes flipped = bytes;
            flipped[at] ^= 0x40;
            damaged.push_back(flipped);
        }
        damaged.emplace_back(bytes.begin(),
                             bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2));
        for (std::size_t i = 0; i <= damaged.size(); ++i) {
            CAPTURE(key);
            CAPTURE(i);
            const bool harmless = key.starts_with("sessions/") ||
                                  (i == damaged.size() && key.starts_with("snapshots/"));
            const auto store = std::make_shared<MemoryStore>();
            for (const auto& [name, content] : whole) {
                if (name != key) {
                    store->create(name, content, {});
                } else if (i < damaged.size()) {
                    store->create(name, damaged[i], {});
                }
            }
            try {
                const auto repository = open_sample(store);
                CHECK((problems_of_check(*repository) > 0 || harmless));
                for (const Files& files : all_contents(*repository)) {
                    CHECK(files == monday());
                }
            } catch (const Error& error) {
                const bool clear =
                    error.code() == ErrorCode::damaged || error.code() == ErrorCode::key ||
                    error.code() == ErrorCode::not_found ||
                    error.code() == ErrorCode::unsupported || error.code() == ErrorCode::denied;
                CHECK_MESSAGE(clear, error.what());
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
