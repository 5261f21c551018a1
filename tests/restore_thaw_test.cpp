#include "engine/restore_thaw.hpp"

#include "engine/restore.hpp"
#include "support/archive_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/sample_snapshots.hpp"
#include "support/temp_dir.hpp"

#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <filesystem>
#include <set>
#include <thread>

using namespace backstay::core;

namespace
{

/// Two snapshots, of "first", and of that and "second": each file in a pack of its own.
struct Rig {
    Rig()
    {
        back_up(*repository, Files{{"first", seeded_bytes(1, 100'000)}});
        first = new_packs();
        back_up(*repository,
                Files{{"first", seeded_bytes(1, 100'000)}, {"second", seeded_bytes(2, 200'000)}});
        second = new_packs();
        snapshot = list_snapshots(*repository, {}).snapshots.back();
        options.thaw.action = ThawOptions::Action::ask;
    }

    struct Packs {
        std::string data;
        std::string metadata;
    };

    /// That of the data is the larger one.
    Packs new_packs()
    {
        std::vector<std::pair<std::uint64_t, std::string>> found;
        store->list("packs/", Freshness::fresh,
                    [&](const ObjectInfo& object) {
                        if (known.insert(object.key).second) {
                            found.emplace_back(object.size, object.key);
                        }
                    },
                    {});
        REQUIRE(found.size() == 2);
        std::sort(found.begin(), found.end());
        return {found[1].second, found[0].second};
    }

    void archive_data()
    {
        store->archive(first.data);
        store->archive(second.data);
    }

    /// What a restore of all does first. `pause` is called instead of waiting.
    void bring(const std::function<void(double)>& pause = {})
    {
        SnapshotAccess access(*repository, snapshot, small_limits(), SnapshotAccess::Announce::no,
                              {});
        RestoreThaw thaw(*repository, access, options, small_limits(), records.context(),
                         {[this] { return now; },
                          [&](double seconds, const std::stop_token&) {
                              now += seconds;
                              pause(seconds);
                          }});
        thaw.bring_metadata();
        thaw.bring_data({{"data", ""}});
    }

    Record restore()
    {
        DirectoryTargetOptions target;
        target.path = folder / "back";
        return restore_to_directory(*repository, snapshot, "data", target, options, small_limits(),
                                    records.context());
    }

    std::shared_ptr<ArchiveStore> store = std::make_shared<ArchiveStore>();
    std::shared_ptr<Repository> repository = init_sample(store);
    std::set<std::string> known;
    Packs first;
    Packs second;
    Snapshot snapshot;
    RestoreOptions options;
    double now = 0;
    EmittedRecords records;
    TempDir folder;
};

bool says(const std::optional<Error>& error, std::string_view text)
{
    return error && std::string_view(error->what()).find(text) != std::string_view::npos;
}

} // namespace

TEST_CASE("a restore asks the archive once for what it needs, ends, and goes through later")
{
    Rig rig;
    rig.archive_data();
    rig.options.thaw.wish = {ThawWish::Tier::bulk, 3};
    const auto error = error_of([&] { rig.restore(); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::unavailable);
    CHECK(says(error, "2 packs of data"));
    CHECK(says(error, "run the same again later"));
    CHECK_FALSE(std::filesystem::exists(rig.folder / "back/first"));
    CHECK(rig.store->last_wish.tier == ThawWish::Tier::bulk);
    CHECK(rig.store->last_wish.days == 3);
    CHECK(error_name_of([&] { rig.restore(); }) == "unavailable");
    CHECK(rig.store->asked.size() == 2);
    rig.store->give_out();
    CHECK(rig.restore().text("verdict") == "ok");
    CHECK(std::filesystem::file_size(rig.folder / "back/second") == 200'000);
    CHECK(rig.store->asked.size() == 2);
}

TEST_CASE(
    "without being told to, nothing is asked of an archive, and the restore fails by its word")
{
    Rig rig;
    rig.archive_data();
    rig.options.thaw.action = ThawOptions::Action::none;
    CHECK(says(error_of([&] { rig.restore(); }), "it lies in the archive"));
    CHECK(rig.store->asked.empty());
    CHECK(rig.store->looks == 0);
}

TEST_CASE("a dry run tells what would be asked for, and asks for nothing")
{
    Rig rig;
    rig.archive_data();
    rig.options.dry_run = true;
    rig.restore();
    CHECK(rig.store->asked.empty());
    const Record& told = rig.records.all().at(1);
    CHECK(told.text("type") == "thaw");
    CHECK(told.text("contents") == "data");
    CHECK(told.number("packs") == 2);
    CHECK(told.number("packs_archived") == 2);
    CHECK(told.number("packs_thawing") == 0);
    CHECK(told.number("bytes_archived") == told.number("bytes"));
    CHECK(told.number("bytes") > 300'000);
}

TEST_CASE("only packs with what is restored are asked for")
{
    Rig rig;
    rig.archive_data();
    rig.options.include = {"second"};
    CHECK(error_name_of([&] { rig.restore(); }) == "unavailable");
    CHECK(rig.store->asked == std::vector<std::string>{rig.second.data});
}

TEST_CASE("waiting goes on, ever more seldom, until everything is out")
{
    Rig rig;
    rig.archive_data();
    rig.options.thaw.action = ThawOptions::Action::wait;
    std::vector<double> pauses;
    rig.bring([&](double seconds) {
        pauses.push_back(seconds);
        if (pauses.size() == 9) {
            rig.store->give_out();
        }
    });
    CHECK(pauses == std::vector<double>{5, 10, 20, 40, 80, 160, 320, 600, 600});
    CHECK(rig.store->asked.size() == 2);
    CHECK(rig.restore().text("verdict") == "ok");
}

TEST_CASE("what came out first and ended before the rest was out is asked for again")
{
    Rig rig;
    rig.archive_data();
    rig.options.thaw.action = ThawOptions::Action::wait;
    int rounds = 0;
    rig.bring([&](double) {
        rig.store->give_out();
        if (++rounds == 2) { // the first is out and looked at no more
            rig.store->archive(rig.first.data);
        } else if (rounds == 1) {
            rig.store->archive(rig.second.data);
        }
    });
    CHECK(rig.store->asked.size() == 4);
    CHECK(rig.restore().text("verdict") == "ok");
}

TEST_CASE("where metadata lies in the archive, too, it comes first")
{
    Rig rig;
    rig.archive_data();
    rig.store->archive(rig.first.metadata);
    rig.store->archive(rig.second.metadata);
    SUBCASE("and a restore that does not wait is run three times")
    {
        CHECK(says(error_of([&] { rig.restore(); }), "packs of metadata"));
        CHECK(rig.store->asked.size() == 2);
        rig.store->give_out();
        CHECK(says(error_of([&] { rig.restore(); }), "packs of data"));
        CHECK(rig.store->asked.size() == 4);
        rig.store->give_out();
    }
    SUBCASE("and one that waits, waits twice")
    {
        rig.options.thaw.action = ThawOptions::Action::wait;
        int rounds = 0;
        rig.bring([&](double) {
            ++rounds;
            rig.store->give_out();
        });
        CHECK(rounds == 2);
    }
    SUBCASE("and a dry run can tell no more")
    {
        rig.options.dry_run = true;
        CHECK(says(error_of([&] { rig.restore(); }), "the metadata lies in the archive itself"));
        CHECK(rig.store->asked.empty());
        rig.options.dry_run = false;
        rig.options.thaw.action = ThawOptions::Action::wait;
        rig.bring([&](double) { rig.store->give_out(); });
    }
    CHECK(rig.restore().text("verdict") == "ok");
}

TEST_CASE("waiting ends when nothing came out of the archive for too long, and says what to do")
{
    Rig rig;
    rig.archive_data();
    rig.options.thaw.action = ThawOptions::Action::wait;
    constexpr double hour = 3600;
    rig.options.thaw.patience = 5 * hour;
    SUBCASE("though it was asked for")
    {
        const auto error = error_of([&] { rig.bring([](double) {}); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::unavailable);
        CHECK(says(error, "2 packs of data were asked for, and none came out of the archive for 5 "
                          "hours"));
        CHECK(says(error, "ask its operator"));
        CHECK(says(error, "packs/"));
        CHECK(rig.now == 5 * hour);
    }
    SUBCASE("and says archived for ever")
    {
        const auto error = error_of([&] { rig.bring([&](double) { rig.archive_data(); }); });
        CHECK(says(error, "does not give it out"));
        CHECK(rig.now == 5 * hour);
    }
    SUBCASE("since one of them came out")
    {
        const auto error = error_of([&] {
            rig.bring([&](double) {
                if (rig.now > 4 * hour && rig.now < 5 * hour) {
                    rig.store->give_out();
                    rig.store->archive(rig.second.data);
                }
            });
        });
        CHECK(says(error, "1 pack of data was asked for"));
        CHECK(rig.now > 9 * hour);
        CHECK(rig.now < 11 * hour);
    }
    SUBCASE("but not while some come")
    {
        rig.bring([&](double) {
            if (rig.now > 4 * hour && rig.now < 5 * hour) {
                rig.store->give_out();
                rig.store->archive(rig.second.data);
            } else if (rig.now > 8 * hour) {
                rig.store->give_out();
            }
        });
        CHECK(rig.now < 10 * hour);
    }
    CHECK_FALSE(std::filesystem::exists(rig.folder / "back"));
}

TEST_CASE("a copy that is kept too briefly is not asked for without end")
{
    Rig rig;
    rig.archive_data();
    rig.options.thaw.action = ThawOptions::Action::wait;
    int rounds = 0;
    const auto error = error_of([&] {
        rig.bring([&](double) {
            rig.store->give_out(); // one of the two has ended, whenever it is looked at
            rig.store->archive(++rounds % 2 == 0 ? rig.first.data : rig.second.data);
        });
    });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::unavailable);
    CHECK(says(error, "thaw-days (7 now)"));
    CHECK(rounds < 20);
}

TEST_CASE(
    "a store that is out of reach for a while does not end the wait, one that stays away does")
{
    Rig rig;
    rig.archive_data();
    rig.options.thaw.action = ThawOptions::Action::wait;
    SUBCASE("for a while")
    {
        int rounds = 0;
        rig.bring([&](double) {
            rig.store->failures = ++rounds <= 3 ? 1 : 0;
            if (rounds == 5) {
                rig.store->give_out();
            }
        });
        CHECK(rounds == 5);
        CHECK(rig.records.texts("notice", "message").size() == 3);
    }
    SUBCASE("for good")
    {
        int rounds = 0;
        CHECK(error_name_of([&] {
                  rig.bring([&](double) {
                      ++rounds;
                      rig.store->failures = 1000;
                  });
              }) == "unavailable");
        CHECK(rounds == 6);
    }
}

TEST_CASE("a wait is cancelled at once")
{
    Rig rig;
    rig.archive_data();
    rig.options.thaw.action = ThawOptions::Action::wait;
    std::stop_source stop;
    JobContext context(stop.get_token());
    SnapshotAccess access(*rig.repository, rig.snapshot, small_limits(),
                          SnapshotAccess::Announce::no, {});
    RestoreThaw thaw(*rig.repository, access, rig.options, small_limits(), context);
    std::chrono::steady_clock::time_point stopped;
    std::thread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        stopped = std::chrono::steady_clock::now();
        stop.request_stop();
    });
    CHECK(error_name_of([&] { thaw.bring_data({{"data", ""}}); }) == "cancelled");
    const auto ended = std::chrono::steady_clock::now();
    stopper.join();
    CHECK(ended - stopped < std::chrono::milliseconds(200));
}

TEST_CASE("a pack that has gone is left to the restore, which tells what is lost")
{
    Rig rig;
    rig.store->remove(rig.second.data, {});
    rig.bring();
    CHECK(rig.restore().text("verdict") == "problems");
}

TEST_CASE("a store without an archive is asked for nothing")
{
    SampleRepository sample;
    back_up(*sample.repository, monday());
    RestoreOptions options;
    options.thaw.action = ThawOptions::Action::wait;
    EmittedRecords records;
    TempDir folder;
    DirectoryTargetOptions target;
    target.path = folder / "back";
    restore_to_directory(*sample.repository, list_snapshots(*sample.repository, {}).snapshots[0],
                         "data", target, options, small_limits(), records.context());
    CHECK(records.texts("thaw", "contents").empty());
}
