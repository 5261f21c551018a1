#include "engine/prune.hpp"

#include "engine/forget.hpp"
#include "support/faulty_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace backstay::core;

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

TEST_CASE(
    "a prune that finds a pack missing or cut which a snapshot needs removes nothing, and says "
    "so")
{
    for (const std::size_t which : {0U, 1U, 2U, 3U}) { // of chunks and of pages, in whatever order
        CAPTURE(which);
        const bool cut = which >= 2;
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
        const std::string& hurt = needed[which % 2];
        const Bytes whole = get_object(*sample.store, hurt, MiB, {});
        sample.store->remove(hurt, {});
        if (cut) {
            sample.store->create(hurt, ByteSpan(whole).first(whole.size() - 1), {});
        }
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
