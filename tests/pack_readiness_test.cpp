#include "engine/pack_readiness.hpp"

#include "engine/forget.hpp"
#include "support/archive_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/sample_snapshots.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

/// Two snapshots of which the first is forgotten: half of the first pack of data is needed.
struct Rig {
    Rig()
    {
        back_up(*repository,
                Files{{"gone", seeded_bytes(1, 100'000)}, {"kept", seeded_bytes(2, 100'000)}});
        const auto index = BlobIndex::load(*repository, {}, Freshness::fresh, {});
        for (std::uint32_t pack = 0; pack < index->packs(); ++pack) {
            if (index->frame(pack, 0).key_class == KeyClass::data) {
                key = pack_key(index->pack(pack).id);
            }
        }
        back_up(*repository, Files{{"kept", seeded_bytes(2, 100'000)}});
        ForgetOptions options;
        options.snapshots = {list_snapshots(*repository, {}).snapshots.front().record.id.hex()};
        run_forget(*repository, options, small_limits(), records.context());
    }

    Record prune()
    {
        return run_prune(*repository, prune_all(), small_limits(), records.context());
    }
    bool is_there() { return store->stat(key, {}).has_value(); }

    std::shared_ptr<ArchiveStore> store = std::make_shared<ArchiveStore>();
    std::shared_ptr<Repository> repository = init_sample(store);
    std::string key; ///< of the pack
    EmittedRecords records;
};

} // namespace

TEST_CASE("packs are asked in order, and one that is missing is no obstacle")
{
    Rig rig;
    rig.store->archive(rig.key);
    const PackId known = *parse_pack_key(rig.key);
    CHECK(look_at_packs(*rig.repository, {PackId{{1}}, known, PackId{{2}}}, small_limits(), {}) ==
          std::vector{Readiness::ready, Readiness::archived, Readiness::ready});
    CHECK(look_at_packs(*rig.repository, {}, small_limits(), {}).empty());
}

TEST_CASE("prune leaves a pack alone that it would have to read in an archive, and says so")
{
    Rig rig;
    rig.store->archive(rig.key);
    CHECK(rig.prune().number("packs_repacked") == 0);
    CHECK(rig.is_there());
    const std::vector<std::string> notices = rig.records.texts("notice", "message");
    REQUIRE(notices.size() == 1);
    CHECK(notices[0].find("cannot be read there: 1") != std::string::npos);
    CHECK_FALSE(read_condemned(*rig.repository, {}).packs.contains(*parse_pack_key(rig.key)));

    rig.store->thaw(rig.key, {}, {}); // and once it can be read, it is rewritten
    rig.store->give_out();
    CHECK(rig.prune().number("packs_repacked") == 1);
    CHECK_FALSE(rig.is_there());
    CHECK(problems_of_check(*rig.repository) == 0);
}

TEST_CASE("prune removes a pack from an archive of which nothing is needed")
{
    Rig rig;
    rig.store->archive(rig.key);
    ForgetOptions options;
    options.snapshots = {list_snapshots(*rig.repository, {}).snapshots.front().record.id.hex()};
    run_forget(*rig.repository, options, small_limits(), rig.records.context());
    rig.prune();
    CHECK_FALSE(rig.is_there());
    CHECK(rig.records.texts("notice", "message").empty());
}
