#include "repo/snapshot_search.hpp"

#include "support/sample_repository.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

Snapshot snapshot(const std::string& id_begins, std::int64_t seconds, const std::string& host,
                  std::vector<std::string> tags = {}, const std::string& root = "/home")
{
    Snapshot made;
    const std::string hex = id_begins + std::string(64 - id_begins.size(), '0');
    made.record.id = SessionId::parse(hex).value();
    made.record.time = {seconds, 0};
    made.record.host = host;
    made.tags = std::move(tags);
    SnapshotSource& source = made.record.sources.emplace_back();
    source.roots = {root};
    return made;
}

SnapshotList some()
{
    SnapshotList list;
    list.snapshots = {snapshot("aa11", 100, "one", {"daily", "db"}),
                      snapshot("aa22", 200, "two", {"daily"}, "/etc"),
                      snapshot("bb33", 300, "one", {}, "/etc/")};
    return list;
}

std::string found(const SnapshotList& list, const std::string& name,
                  const SnapshotFilter& filter = {})
{
    return find_snapshot(list, name, filter).record.id.hex().substr(0, 4);
}

Error failure(const SnapshotList& list, const std::string& name, const SnapshotFilter& filter = {})
{
    const auto error = error_of([&] { find_snapshot(list, name, filter); });
    REQUIRE(error);
    return *error;
}

bool says(const Error& error, const std::string& text)
{
    return std::string(error.what()).find(text) != std::string::npos;
}

} // namespace

TEST_CASE("latest is the newest, latest~1 the one before")
{
    const SnapshotList list = some();
    CHECK(found(list, "latest") == "bb33");
    CHECK(found(list, "latest~0") == "bb33");
    CHECK(found(list, "latest~1") == "aa22");
    CHECK(found(list, "latest~2") == "aa11");
    const Error error = failure(list, "latest~3");
    CHECK(error.code() == ErrorCode::not_found);
    CHECK(says(error, "there are 3"));
    CHECK(failure(list, "latest~").code() == ErrorCode::not_found);
    CHECK(failure(list, "latest~x").code() == ErrorCode::not_found);
    CHECK(failure(list, "latest~99999999999999999999999").code() == ErrorCode::not_found);
}

TEST_CASE("latest goes by what was asked for")
{
    const SnapshotList list = some();
    SnapshotFilter filter;
    filter.hosts = {"two"};
    CHECK(found(list, "latest", filter) == "aa22");
    filter.hosts = {"one", "two"};
    CHECK(found(list, "latest", filter) == "bb33");
    filter.tags = {"daily"};
    CHECK(found(list, "latest", filter) == "aa22");
    CHECK(found(list, "latest~1", filter) == "aa11");
    filter.hosts = {"three"};
    CHECK(failure(list, "latest", filter).code() == ErrorCode::not_found);
}

TEST_CASE("tags joined by a comma are all wanted, tags apart any of them")
{
    const SnapshotList list = some();
    SnapshotFilter filter;
    filter.tags = {"daily,db"};
    CHECK(filter.matches(list.snapshots[0]));
    CHECK_FALSE(filter.matches(list.snapshots[1]));
    filter.tags = {"db,none", "daily"};
    CHECK(filter.matches(list.snapshots[0]));
    CHECK(filter.matches(list.snapshots[1]));
    CHECK_FALSE(filter.matches(list.snapshots[2]));
}

TEST_CASE("a path means a source's root, not what lies below")
{
    const SnapshotList list = some();
    SnapshotFilter filter;
    filter.paths = {"/etc"};
    CHECK_FALSE(filter.matches(list.snapshots[0]));
    CHECK(filter.matches(list.snapshots[1]));
    CHECK(filter.matches(list.snapshots[2]));
    filter.paths = {"/home/"};
    CHECK(filter.matches(list.snapshots[0]));
    filter.paths = {"/"};
    CHECK_FALSE(filter.matches(list.snapshots[0]));
}

TEST_CASE("snapshots of another kind are found only when asked for")
{
    SnapshotList list = some();
    list.snapshots[2].record.kind = "log";
    CHECK(found(list, "latest") == "aa22");
    SnapshotFilter any;
    any.kind = "";
    CHECK(found(list, "latest", any) == "bb33");
}

TEST_CASE("the beginning of an id is enough if it is one snapshot's, whatever the filter")
{
    const SnapshotList list = some();
    SnapshotFilter filter;
    filter.hosts = {"nobody"};
    CHECK(found(list, "b", filter) == "bb33");
    CHECK(found(list, "AA1") == "aa11");
    CHECK(found(list, list.snapshots[1].record.id.hex()) == "aa22");
    const Error error = failure(list, "aa");
    CHECK(error.code() == ErrorCode::invalid);
    CHECK(says(error, "aa110000"));
    CHECK(says(error, "aa220000"));
    CHECK_FALSE(says(error, "bb330000"));
}

TEST_CASE("a name that is no snapshot is answered by what is near")
{
    const SnapshotList list = some();
    Error error = failure(list, "aa3");
    CHECK(error.code() == ErrorCode::not_found);
    CHECK(says(error, "aa110000"));
    CHECK_FALSE(says(error, "bb330000"));
    error = failure(list, "newest");
    CHECK(error.code() == ErrorCode::not_found);
    CHECK(says(error, "latest"));
    CHECK(says(error, "bb330000"));
    CHECK(failure(list, "").code() == ErrorCode::not_found);
    CHECK(failure(list, std::string(65, 'a')).code() == ErrorCode::not_found);
    for (const char* name : {"latest", "aa", "x"}) {
        CHECK(says(failure({}, name), "no snapshot yet"));
    }
}

TEST_CASE("a snapshot that cannot be read is not taken for one that is not there")
{
    SnapshotList list = some();
    list.unreadable.push_back({SessionId::parse("cc44" + std::string(60, '0')).value(), "why"});
    list.unreadable.push_back({SessionId::parse("aa13" + std::string(60, '0')).value(), "why"});
    const Error error = failure(list, "cc");
    CHECK(error.code() == ErrorCode::damaged);
    CHECK(error.subject().starts_with("snapshots/cc44"));
    CHECK(failure(list, "aa1").code() == ErrorCode::invalid);
    CHECK(found(list, "aa11") == "aa11");
}

TEST_CASE("latest does not pass over a snapshot that cannot be read in silence")
{
    SnapshotList list = some();
    for (Snapshot& snapshot : list.snapshots) {
        snapshot.stored = {snapshot.record.time.seconds + 5, 0};
    }
    UnreadableSnapshot bad{snapshot("cc44", 0, "").record.id, "it is altered", {250, 0}};
    SUBCASE("one that was stored before the one that is meant is no matter")
    {
        list.unreadable = {bad};
        CHECK(found(list, "latest") == "bb33");
        CHECK(failure(list, "latest~1").code() == ErrorCode::damaged);
        CHECK(found(list, "aa22") == "aa22");
    }
    SUBCASE("one that was stored later may be it")
    {
        bad.stored = {305, 0};
        list.unreadable = {bad};
        const Error error = failure(list, "latest");
        CHECK(error.code() == ErrorCode::damaged);
        CHECK(error.subject() == "snapshots/" + bad.id.hex());
        CHECK(says(error, "cc44"));
        CHECK(says(error, "it is altered"));
        CHECK(says(error, "bb33")); // to choose from
    }
    SUBCASE("a repository with nothing else is not empty")
    {
        list.snapshots.clear();
        list.unreadable = {bad};
        CHECK(failure(list, "latest").code() == ErrorCode::damaged);
    }
}
