#include "repo/snapshot_notes.hpp"

#include "base/random.hpp"
#include "repo/session.hpp"
#include "repo/snapshot_catalog.hpp"
#include "support/sample_repository.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;
using Tags = std::vector<std::string>;

namespace
{

/// A repository with one snapshot.
struct OneSnapshot : SampleRepository {
    SessionId id;

    OneSnapshot()
    {
        Session session(*repository, "backup", Session::Use::writing, {});
        SnapshotRecord record;
        record.id = id = session.id();
        record.time = {100, 0};
        record.tags = {"first"};
        record.comment = "as made";
        session.commit(encode_snapshot(record), {});
    }

    Snapshot now()
    {
        const SnapshotList list = list_snapshots(*repository, {});
        REQUIRE(list.snapshots.size() == 1);
        return list.snapshots[0];
    }
    /// By somebody who saw `seen`.
    void change(const Snapshot& seen, const SnapshotChange& how)
    {
        clock.advance(1);
        write_note(*repository, seen, how, {});
    }
};

} // namespace

TEST_CASE("a snapshot without notes is as it was made")
{
    OneSnapshot sample;
    const Snapshot snapshot = sample.now();
    CHECK(snapshot.tags == Tags{"first"});
    CHECK(snapshot.comment == "as made");
    CHECK_FALSE(snapshot.pinned);
    CHECK(snapshot.notes.empty());
}

TEST_CASE("a note changes what it says and leaves the rest, and the next replaces it")
{
    OneSnapshot sample;
    sample.change(sample.now(), {Tags{"b", "a", "b"}, {}, {}});
    CHECK(sample.now().tags == Tags{"a", "b"});
    CHECK(sample.now().comment == "as made");
    sample.change(sample.now(), {{}, true, {}});
    CHECK(sample.now().tags == Tags{"a", "b"});
    CHECK(sample.now().pinned);
    sample.change(sample.now(), {{}, {}, "better"});
    CHECK(sample.now().tags == Tags{"a", "b"});
    CHECK(sample.now().pinned);
    CHECK(sample.now().comment == "better");
    sample.change(sample.now(), {Tags{}, false, ""});
    const Snapshot last = sample.now();
    CHECK(last.tags.empty());
    CHECK_FALSE(last.pinned);
    CHECK(last.comment.empty());
    CHECK(last.notes.size() == 1);
    CHECK(keys_of(*sample.store, "notes/").size() == 4);
}

TEST_CASE("two who change a snapshot at the same time do not undo each other")
{
    OneSnapshot sample;
    const Snapshot seen = sample.now();
    SUBCASE("about different things")
    {
        sample.change(seen, {Tags{"other"}, {}, {}});
        sample.change(seen, {{}, true, {}});
        CHECK(sample.now().tags == Tags{"other"});
        CHECK(sample.now().pinned);
    }
    SUBCASE("about tags")
    {
        sample.change(seen, {Tags{"first", "mine"}, {}, {}});
        sample.change(seen, {Tags{"first", "theirs"}, {}, {}});
        CHECK(sample.now().tags == Tags{"first", "mine", "theirs"});
        CHECK(sample.now().notes.size() == 2);
        sample.change(sample.now(), {Tags{"settled"}, {}, {}});
        CHECK(sample.now().tags == Tags{"settled"});
        CHECK(sample.now().notes.size() == 1);
    }
    SUBCASE("about the pin")
    {
        sample.change(seen, {{}, true, {}});
        sample.change(seen, {{}, false, {}});
        CHECK(sample.now().pinned);
    }
    SUBCASE("about the comment")
    {
        sample.change(seen, {{}, {}, "earlier"});
        sample.change(seen, {{}, {}, "later"});
        CHECK(sample.now().comment == "later");
    }
}

TEST_CASE("what a note says is lost stays so when tags change")
{
    OneSnapshot sample;
    NoteRecord note;
    note.id = random_id<SessionId>();
    note.snapshot = sample.id;
    note.lost = {random_id<BlobId>()};
    sample.repository->write_object(note_key(note.id), ObjectType::note, KeyClass::meta,
                                    encode_note(note), {});
    CHECK(sample.now().lost == note.lost);
    sample.change(sample.now(), {Tags{"x"}, {}, {}});
    CHECK(sample.now().lost == note.lost);
    CHECK(sample.now().notes.size() == 1);
}

TEST_CASE("a note that names itself, or a note of another snapshot, replaces nothing")
{
    OneSnapshot sample;
    sample.change(sample.now(), {{}, true, {}});
    NoteRecord note;
    note.id = random_id<SessionId>();
    note.snapshot = random_id<SessionId>();
    note.replaces = sample.now().notes;
    const auto store_note = [&] {
        sample.repository->write_object(note_key(note.id), ObjectType::note, KeyClass::meta,
                                        encode_note(note), {});
    };
    store_note();
    CHECK(sample.now().pinned);
    note.id = random_id<SessionId>();
    note.snapshot = sample.id;
    note.replaces = {note.id};
    note.tags = Tags{"self"};
    store_note();
    CHECK(sample.now().pinned);
    CHECK(sample.now().tags == Tags{"self"});
}

TEST_CASE("a note with any byte altered is noticed, and hides no snapshot")
{
    OneSnapshot sample;
    sample.change(sample.now(), {{}, true, {}});
    const auto contents = contents_of(*sample.store);
    const std::string key = keys_of(*sample.store, "notes/").front();
    const auto check = [&](const Bytes& bytes) {
        auto altered = contents;
        altered[key] = bytes;
        const SnapshotList list = list_snapshots(*open_sample(store_of(altered)), {});
        CHECK(list.snapshots.size() == 1);
        REQUIRE(list.unreadable_notes.size() == 1);
        CHECK(list.unreadable_notes[0].why.find(key) != std::string::npos);
    };
    const Bytes whole = contents.at(key);
    for (std::size_t i = 0; i < whole.size(); ++i) {
        CAPTURE(i);
        Bytes flipped = whole;
        flipped[i] ^= 0x41;
        check(flipped);
        check(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(i)));
    }
}

TEST_CASE("a note under another note's name is not believed")
{
    OneSnapshot sample;
    sample.change(sample.now(), {{}, true, {}});
    const std::string key = keys_of(*sample.store, "notes/").front();
    sample.store->create(note_key(random_id<SessionId>()), get_object(*sample.store, key, MiB, {}),
                         {});
    CHECK(list_snapshots(*sample.repository, {}).unreadable_notes.size() == 1);
}

TEST_CASE("what cannot be a tag is refused before anything is written")
{
    OneSnapshot sample;
    for (const std::string& tag :
         {std::string(), std::string("a,b"), std::string("a\nb"), std::string("\xff"),
          std::string(257, 'a'), std::string("a\0b", 3)}) {
        CHECK(error_name_of([&] {
                  sample.change(sample.now(), {Tags{"good", tag}, {}, {}});
              }) == "invalid");
    }
    CHECK(error_name_of([&] { sample.change(sample.now(), {{}, {}, "\xff"}); }) == "invalid");
    CHECK(keys_of(*sample.store, "notes/").empty());
    CHECK_NOTHROW(check_tag("täglich"));
    CHECK_NOTHROW(check_tag(std::string(256, 'a')));
}
