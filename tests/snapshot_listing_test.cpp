#include "engine/listing.hpp"
#include "support/sample_snapshots.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

using Texts = std::vector<std::string>;

SnapshotRecord about(std::string host, std::string root, std::string tag)
{
    SnapshotRecord record;
    record.host = std::move(host);
    SnapshotSource source;
    source.name = "files";
    source.kind = "tree";
    source.roots = {std::move(root)};
    record.sources = {source};
    record.tags = {std::move(tag)};
    return record;
}

struct Listed {
    Texts ids;
    Texts groups;
    Record summary;
};

Listed list(SampleSnapshots& sample, const SnapshotsOptions& options = {})
{
    EmittedRecords records;
    Listed listed;
    listed.summary = list_snapshot_records(sample.repository(), options, records.context());
    listed.ids = records.texts("snapshot", "id");
    listed.groups = records.texts("snapshot", "group");
    return listed;
}

std::string id(const Snapshot& snapshot)
{
    return snapshot.record.id.hex();
}

} // namespace

TEST_CASE("snapshots are listed oldest first, those that a filter takes, the newest of each group")
{
    SampleSnapshots sample;
    const Snapshot a1 = sample.commit({}, about("a", "/x", "t"));
    const Snapshot b1 = sample.commit({}, about("b", "/x", "t"));
    const Snapshot a2 = sample.commit({}, about("a", "/y", "u"));
    CHECK(list(sample).ids == Texts{id(a1), id(b1), id(a2)});
    CHECK(list(sample).summary.number("snapshots") == 3);

    SnapshotsOptions options;
    options.filter.hosts = {"a"};
    CHECK(list(sample, options).ids == Texts{id(a1), id(a2)});
    options.filter.tags = {"u"};
    CHECK(list(sample, options).ids == Texts{id(a2)});

    SnapshotsOptions latest;
    latest.latest = 1;
    CHECK(list(sample, latest).ids == Texts{id(a2)});
    latest.group_by = {"host"};
    CHECK(list(sample, latest).ids == Texts{id(b1), id(a2)});
    CHECK(list(sample, latest).groups == Texts{"host=b", "host=a"});
    latest.group_by = {"host", "path"};
    CHECK(list(sample, latest).groups ==
          Texts{"host=a path=/x", "host=b path=/x", "host=a path=/y"});
}

TEST_CASE("a snapshot's record says the worst that is known of it")
{
    SampleSnapshots sample;
    Snapshot snapshot = sample.commit({}, about("a", "/x", "t"));
    CHECK(snapshot_record(snapshot).text("verdict") == "ok");
    snapshot.record.counts.problems = 1;
    CHECK(snapshot_record(snapshot).text("verdict") == "problems");
    snapshot.record.sources[0].verdict = 2;
    CHECK(snapshot_record(snapshot).text("verdict") == "damaged");
    snapshot.record.sources[0].verdict = 1;
    snapshot.lost = {BlobId{}};
    CHECK(snapshot_record(snapshot).text("verdict") == "damaged");
}

TEST_CASE("a snapshot that cannot be read is a problem of the listing, not its end")
{
    SampleSnapshots sample;
    const Snapshot good = sample.commit({});
    const std::string bad = snapshot_key(SessionId{{1}});
    sample.store().create(bad, as_bytes("junk"), {});
    EmittedRecords records;
    const Record summary = list_snapshot_records(sample.repository(), {}, records.context());
    CHECK(records.texts("snapshot", "id") == Texts{id(good)});
    CHECK(records.texts("problem", "path") == Texts{bad});
    CHECK(summary.text("verdict") == "problems");
}
