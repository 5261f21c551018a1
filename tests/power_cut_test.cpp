#include "engine/forget.hpp"
#include "support/power_cut_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

using Fate = PowerCutStore::Fate;

struct Cut {
    std::shared_ptr<MemoryStore> disk; ///< as it is found afterwards
    bool finished = false;             ///< `work` was done before the power went
};

/// Runs `work` for every n on what `prepare` put on a new disk, cuts the power in the n-th change,
/// and lets `examine` look at what is found for each fate of what was not durable.
void cut_everywhere(const std::function<void(const std::shared_ptr<ObjectStore>&)>& prepare,
                    const std::function<void(const std::shared_ptr<ObjectStore>&)>& work,
                    const std::function<void(const Cut&)>& examine)
{
    const auto prepared = std::make_shared<MemoryStore>();
    prepare(prepared);
    const std::map<std::string, Bytes> before = contents_of(*prepared);
    for (const Fate fate : {Fate::undone, Fate::done, Fate::mixed}) {
        bool reached = true;
        for (std::uint64_t nth = 1; reached; ++nth) {
            CAPTURE(static_cast<int>(fate));
            CAPTURE(nth);
            REQUIRE(nth < 1000);
            const auto store = std::make_shared<PowerCutStore>(store_of(before), nth);
            Cut cut;
            try {
                work(store);
                cut.finished = true;
            } catch (const Error&) {
                cut.finished = false;
            }
            reached = store->was_cut();
            CHECK((reached || cut.finished));
            cut.disk = store->power_on(fate, nth);
            examine(cut);
        }
    }
}

void prepare_two_days(const std::shared_ptr<ObjectStore>& disk)
{
    const auto repository = init_sample(disk);
    back_up(*repository, monday());
    back_up(*repository, tuesday());
}

ForgetOptions keep_last_and_prune()
{
    ForgetOptions options;
    options.policy.last = 1;
    options.prune = prune_all();
    return options;
}

Record forget(Repository& repository, const ForgetOptions& options)
{
    JobContext context;
    return run_forget(repository, options, small_limits(), context);
}

std::shared_ptr<Repository> init_discarding(const std::shared_ptr<ObjectStore>& store)
{
    InitOptions init;
    init.discard_interrupted = true;
    return Repository::init(store, init, sample_key(), {}, {});
}

void check_is_clean(Repository& repository)
{
    for (const std::string& complaint : complaints_of_check(repository)) {
        FAIL_CHECK(complaint);
    }
}

/// A day later all works as if nothing had happened.
void goes_on_from(Repository& repository)
{
    const Files wednesday = {{"w", seeded_bytes(11, 50'000)}};
    back_up(repository, wednesday);
    CHECK(all_contents(repository).back() == wednesday);
    forget(repository, keep_last_and_prune());
    CHECK(all_contents(repository) == std::vector<Files>{wednesday});
    check_is_clean(repository);
}

} // namespace

TEST_CASE("a power cut anywhere in a backup leaves earlier snapshots whole, and the new one whole "
          "or not at all")
{
    cut_everywhere([](const auto& disk) { back_up(*init_sample(disk), monday()); },
                   [](const auto& store) { back_up(*open_sample(store), tuesday()); },
                   [](const Cut& cut) {
                       const auto repository = open_sample(cut.disk);
                       const std::vector<Files> found = all_contents(*repository);
                       REQUIRE(!found.empty());
                       CHECK(found.front() == monday());
                       CHECK(found.size() <= 2);
                       CHECK((!cut.finished || found.size() == 2));
                       CHECK(found.back() == (found.size() == 2 ? tuesday() : monday()));
                       check_is_clean(*repository);
                       goes_on_from(*repository);
                   });
}

TEST_CASE("a power cut anywhere in forget and prune harms no snapshot that is kept or still listed")
{
    cut_everywhere(
        prepare_two_days,
        [](const auto& store) { forget(*open_sample(store), keep_last_and_prune()); },
        [](const Cut& cut) {
            const auto repository = open_sample(cut.disk);
            const std::vector<Files> found = all_contents(*repository);
            REQUIRE(!found.empty());
            CHECK(found.back() == tuesday());
            CHECK(found.size() <= 2);
            CHECK((found.size() == 1 || found.front() == monday()));
            CHECK((!cut.finished || found.size() == 1));
            check_is_clean(*repository);
            goes_on_from(*repository);
        });
}

TEST_CASE("a power cut anywhere in a prune that moves what is kept loses none of it")
{
    // Small files share packs: to drop monday's the rest has to be moved.
    const Files kept = {{"a.txt", monday().at("a.txt")}, {"z", monday().at("z")}};
    cut_everywhere(
        [&](const auto& disk) {
            const auto repository = init_sample(disk);
            back_up(*repository, monday());
            back_up(*repository, kept);
            ForgetOptions options;
            options.policy.last = 1;
            forget(*repository, options);
        },
        [](const auto& store) {
            JobContext context;
            run_prune(*open_sample(store), prune_all(), small_limits(), context);
        },
        [&](const Cut& cut) {
            const auto repository = open_sample(cut.disk);
            CHECK(all_contents(*repository) == std::vector<Files>{kept});
            check_is_clean(*repository);
            goes_on_from(*repository);
        });
}

TEST_CASE("a power cut anywhere in init leaves a repository, or a place for one, or what the next "
          "one removes when it is told so")
{
    cut_everywhere(
        [](const auto&) {}, [](const auto& store) { init_sample(store); },
        [](const Cut& cut) {
            std::shared_ptr<Repository> repository;
            try {
                repository = open_sample(cut.disk);
            } catch (const Error& error) {
                const bool told =
                    error.code() == ErrorCode::not_found ||
                    std::string(error.what()).find("init was interrupted") != std::string::npos;
                CHECK_MESSAGE(told, error.what());
                CHECK_FALSE(cut.finished);
            }
            if (!repository) {
                if (const auto refused = error_of([&] { init_sample(cut.disk); })) {
                    CHECK(refused->code() == ErrorCode::exists);
                    for (const std::string& key : keys_of(*cut.disk, "")) {
                        CHECK(std::string(refused->what()).find(key) != std::string::npos);
                    }
                    init_discarding(cut.disk);
                }
                repository = open_sample(cut.disk);
            }
            back_up(*repository, monday());
            goes_on_from(*repository);
        });
}

TEST_CASE("a power cut anywhere in an init that removes what another left, and the next is as good")
{
    cut_everywhere(
        [](const auto& disk) {
            init_sample(disk);
            disk->remove(config_key(1), {});
        },
        [](const auto& store) { init_discarding(store); },
        [](const Cut& cut) {
            if (const auto error = error_of([&] { open_sample(cut.disk); })) {
                CHECK_FALSE(cut.finished);
                init_discarding(cut.disk);
            }
            const auto repository = open_sample(cut.disk);
            back_up(*repository, monday());
            goes_on_from(*repository);
        });
}

TEST_CASE("power cut after power cut, what was once listed as kept stays whole")
{
    // Each round begins on what the last cut left, with objects back that a prune had removed.
    auto disk = std::make_shared<MemoryStore>();
    prepare_two_days(disk);
    for (std::uint64_t round = 1; round <= 60; ++round) {
        CAPTURE(round);
        const auto store = std::make_shared<PowerCutStore>(disk, 1 + round * 7 % 23);
        try {
            const auto repository = open_sample(store);
            if (round % 3 == 0) {
                forget(*repository, keep_last_and_prune());
            } else {
                back_up(*repository, round % 2 == 0 ? monday() : tuesday());
            }
        } catch (const Error&) {
            CHECK(store->was_cut());
        }
        disk = store->power_on(Fate::mixed, round);
        const auto repository = open_sample(disk);
        const std::vector<Files> found = all_contents(*repository);
        REQUIRE(!found.empty());
        for (const Files& files : found) {
            CHECK((files == monday() || files == tuesday()));
        }
        check_is_clean(*repository);
    }
    goes_on_from(*open_sample(disk));
}
