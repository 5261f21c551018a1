#include "engine/listing.hpp"
#include "support/sample_snapshots.hpp"
#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

Record stats(SampleSnapshots& sample, const std::vector<std::string>& snapshots = {})
{
    EmittedRecords records;
    return repository_stats(sample.repository(), snapshots, {}, {}, records.context());
}

} // namespace

TEST_CASE("sizes of snapshots count what is shared once, and what packs take for it")
{
    SampleSnapshots sample;
    const std::string text(50'000, 'a');
    const std::string other(30'000, 'b');
    const Snapshot first = sample.commit({{"files/a", {{}, text}}, {"files/again", {{}, text}}});
    const Record alone = stats(sample);
    CHECK(alone.number("snapshots") == 1);
    CHECK(alone.number("entries") == 3);
    CHECK(alone.number("bytes_source") == 100'000);
    CHECK(alone.number("blobs") == 3); // one chunk, two pages
    CHECK(alone.number("bytes") > 50'000);
    CHECK(alone.number("bytes") < 51'000);
    CHECK(alone.number("bytes_stored") > 0);
    CHECK(alone.number("bytes_stored") < 10'000);

    sample.commit({{"files/a", {{}, text}}, {"files/b", {{}, other}}});
    const Record both = stats(sample);
    CHECK(both.number("snapshots") == 2);
    CHECK(both.number("bytes_source") == 180'000);
    CHECK(both.number("bytes") > 80'000);
    CHECK(both.number("bytes") < 82'000);
    CHECK(both.text("verdict") == "ok");

    const Record one = stats(sample, {first.record.id.hex()});
    CHECK(one.number("bytes") == alone.number("bytes"));
    CHECK(one.number("bytes_in_packs") == both.number("bytes_in_packs"));
}

TEST_CASE("sizes of an empty repository are nothing")
{
    SampleSnapshots sample;
    const Record none = stats(sample);
    CHECK(none.number("snapshots") == 0);
    CHECK(none.number("blobs") == 0);
    CHECK(none.number("bytes_in_packs") == 0);
    CHECK(none.text("verdict") == "ok");
}

TEST_CASE("a snapshot that misses blobs has sizes all the same, and a problem")
{
    SampleSnapshots sample;
    sample.commit_root([](BlobWriter::Lane& lane) {
        TreePage top;
        top.entries.resize(1);
        top.entries[0].path = "lost";
        top.entries[0].size = 7;
        top.entries[0].content.items = {{7, BlobId{{9}}}};
        return Subtree{lane.put(BlobKind::tree_node, encode_tree_page(top)).id, 1, 7};
    });
    EmittedRecords records;
    const Record summary = repository_stats(sample.repository(), {}, {}, {}, records.context());
    CHECK(summary.number("blobs") == 1);
    CHECK(records.texts("problem", "path") == std::vector<std::string>{"lost"});
    CHECK(summary.text("verdict") == "problems");
}
