#include "engine/forget.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <latch>
#include <thread>

using namespace backstay::core;

namespace
{

EngineLimits one_thread()
{
    EngineLimits limits = small_limits();
    limits.threads = 1;
    return limits;
}

/// Of everything unused, but fencing nobody who lives.
PruneOptions patient_prune()
{
    PruneOptions options = prune_all();
    options.fence_after = PruneOptions{}.fence_after;
    return options;
}

/// Two days, the first of which is forgotten: a prune has packs to remove and one to repack.
std::map<std::string, Bytes> much_to_prune()
{
    SampleRepository sample;
    back_up(*sample.repository, monday());
    back_up(*sample.repository, tuesday());
    ForgetOptions forget;
    forget.policy.last = 1;
    JobContext context;
    run_forget(*sample.repository, forget, one_thread(), context);
    return contents_of(*sample.store);
}

/// Calls `then` before the operation of that number; tells how many there were.
struct Gap {
    Gap(const std::shared_ptr<ObjectStore>& store, std::size_t number, std::function<void()> then)
        : hooked(std::make_shared<HookedStore>(store))
    {
        hooked->before = [this, number, body = std::move(then)](HookedStore::Operation,
                                                                const std::string&) {
            if (operations++ == number) {
                body();
            }
        };
    }
    bool was_reached(std::size_t number) const { return operations > number; }

    std::shared_ptr<HookedStore> hooked;
    std::size_t operations = 0;
};

/// A prune that stops before an operation until it is let go.
class HeldPrune
{
public:
    HeldPrune(const std::shared_ptr<ObjectStore>& store, std::size_t number)
        : gap_(store, number,
               [this] {
                   held_.count_down();
                   go_.wait();
               }),
          thread_([this, number] {
              failure_ = error_of([this] {
                  const auto repository = open_sample(gap_.hooked);
                  JobContext context;
                  run_prune(*repository, patient_prune(), one_thread(), context);
              });
              if (!gap_.was_reached(number)) {
                  held_.count_down();
              }
          })
    {
        held_.wait();
    }
    ~HeldPrune() { finish(); }
    void finish()
    {
        if (thread_.joinable()) {
            go_.count_down();
            thread_.join();
            CHECK_MESSAGE(!failure_, failure_->what());
        }
    }
    bool was_reached(std::size_t number) const { return gap_.was_reached(number); }

private:
    std::latch held_{1};
    std::latch go_{1};
    Gap gap_;
    std::optional<Error> failure_;
    std::thread thread_;
};

} // namespace

TEST_CASE("a prune lets others back up at any moment, and neither fails nor loses anything")
{
    const std::map<std::string, Bytes> before = much_to_prune();
    const Files wednesday{{"new", seeded_bytes(7, 50'000)}, {"folder/d.bin", seeded_bytes(4, 9)}};
    for (std::size_t number = 0;; ++number) {
        CAPTURE(number);
        const std::shared_ptr<ObjectStore> store = store_of(before);
        const auto other = open_sample(store);
        const Gap gap(store, number, [&] { back_up(*other, wednesday); });
        const auto repository = open_sample(gap.hooked);
        JobContext context;
        CHECK_NOTHROW(run_prune(*repository, patient_prune(), one_thread(), context));
        if (!gap.was_reached(number)) {
            REQUIRE(number > 20);
            break;
        }
        CHECK(all_contents(*open_sample(store)) == std::vector<Files>{tuesday(), wednesday});
        CHECK(problems_of_check(*open_sample(store)) == 0);
    }
}

TEST_CASE("a prune lets another one run at any moment, and neither fails nor loses anything")
{
    const std::map<std::string, Bytes> before = much_to_prune();
    for (std::size_t number = 0;; ++number) {
        CAPTURE(number);
        const std::shared_ptr<ObjectStore> store = store_of(before);
        const Gap gap(store, number, [&] {
            JobContext context;
            run_prune(*open_sample(store), patient_prune(), one_thread(), context);
        });
        const auto repository = open_sample(gap.hooked);
        JobContext context;
        CHECK_NOTHROW(run_prune(*repository, patient_prune(), one_thread(), context));
        if (!gap.was_reached(number)) {
            REQUIRE(number > 20);
            break;
        }
        CHECK(all_contents(*open_sample(store)) == std::vector<Files>{tuesday()});
        CHECK(problems_of_check(*open_sample(store)) == 0);
    }
}

TEST_CASE("a check finds no damage where a prune stands at any moment and goes on at any other")
{
    const std::map<std::string, Bytes> before = much_to_prune();
    const std::size_t step = std::getenv("BACKSTAY_TESTS_LONG") != nullptr ? 1 : 7;
    for (std::size_t prunes = 0;; ++prunes) {
        CAPTURE(prunes);
        bool held = true;
        for (std::size_t checks = prunes % step;; checks += step) {
            CAPTURE(checks);
            const std::shared_ptr<ObjectStore> store = store_of(before);
            HeldPrune prune(store, prunes);
            held = prune.was_reached(prunes);
            const Gap gap(store, checks, [&] { prune.finish(); });
            const auto repository = open_sample(gap.hooked);
            CHECK(complaints_of_check(*repository, one_thread()) == std::vector<std::string>{});
            if (!gap.was_reached(checks)) {
                REQUIRE(checks > 15);
                break;
            }
        }
        if (!held) {
            REQUIRE(prunes > 20);
            break;
        }
    }
}

TEST_CASE("a scrub finds no damage where a prune runs at any moment")
{
    const std::map<std::string, Bytes> before = much_to_prune();
    for (std::size_t number = 0;; ++number) {
        CAPTURE(number);
        const std::shared_ptr<ObjectStore> store = store_of(before);
        const Gap gap(store, number, [&] {
            JobContext context;
            run_prune(*open_sample(store), patient_prune(), one_thread(), context);
        });
        JobContext context;
        const Record summary = run_scrub(*gap.hooked, {}, one_thread(), context);
        CHECK(summary.text("verdict") == "ok");
        if (!gap.was_reached(number)) {
            REQUIRE(number > 5);
            break;
        }
        constexpr std::size_t lists = 2; // between those and the first read all that goes is missed
        CHECK((number != lists || summary.number("objects_gone") > 0));
    }
}

TEST_CASE("what a store lists and does not have is damage to a scrub")
{
    const auto store = std::make_shared<HookedStore>(store_of(much_to_prune()));
    const std::string lost = keys_of(*store, "packs/").front();
    store->before = [&](HookedStore::Operation operation, const std::string& key) {
        if (operation == HookedStore::Operation::get && key == lost) {
            throw Error(ErrorCode::not_found, "there is no such object", key);
        }
    };
    JobContext context;
    const Record summary = run_scrub(*store, {}, one_thread(), context);
    CHECK(summary.text("verdict") == "damaged");
    CHECK(summary.number("problems") == 1);
    CHECK(summary.number("objects_gone") == 0);
}
