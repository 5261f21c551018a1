#include "host_source.hpp"

#include "guarded.hpp"
#include "support/fake_view.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <functional>
#include <poll.h>

using namespace backstay::core;

namespace
{

/// A host whose functions are what a test says; the others do nothing, well.
struct Host {
    std::function<backstay_status(backstay_callback*, backstay_view*, backstay_session*)> open;
    std::function<backstay_status(backstay_callback*, backstay_entry*)> next;
    std::function<backstay_status(backstay_callback*, std::uint64_t, std::size_t, std::size_t*)>
        read;
    std::function<backstay_status(backstay_callback*, std::uint64_t*, std::uint64_t*)> next_data;
    std::function<backstay_status(backstay_callback*, backstay_verdict*)> finish;
    std::function<backstay_status(std::int32_t)> settle;
    int destroyed = 0;
    int released = 0;
    std::vector<Problem> problems;

    std::shared_ptr<DataSource> source()
    {
        backstay_source_vtable table{};
        table.struct_size = sizeof table;
        table.open = [](void* self, backstay_callback* callback, backstay_view* parent,
                        backstay_session* out) {
            out->lane_count = 1;
            return of(self).open ? of(self).open(callback, parent, out) : BACKSTAY_OK;
        };
        table.next = [](void* self, backstay_callback* callback, std::uint32_t,
                        backstay_entry* out) {
            return of(self).next ? of(self).next(callback, out) : BACKSTAY_DONE;
        };
        table.read = [](void* self, backstay_callback* callback, std::uint32_t, std::uint64_t,
                        std::uint64_t offset, std::uint8_t*, std::size_t size, std::size_t* got) {
            return of(self).read ? of(self).read(callback, offset, size, got) : BACKSTAY_OK;
        };
        table.next_data = [](void* self, backstay_callback* callback, std::uint32_t, std::uint64_t,
                             std::uint64_t, std::uint64_t* begin, std::uint64_t* end) {
            return of(self).next_data ? of(self).next_data(callback, begin, end) : BACKSTAY_DONE;
        };
        table.release = [](void* self, std::uint32_t, std::uint64_t) { ++of(self).released; };
        table.finish = [](void* self, backstay_callback* callback, backstay_verdict* out) {
            out->verdict = BACKSTAY_VERDICT_OK;
            return of(self).finish ? of(self).finish(callback, out) : BACKSTAY_OK;
        };
        table.settle = [](void* self, backstay_callback*, std::int32_t committed) {
            return of(self).settle ? of(self).settle(committed) : BACKSTAY_OK;
        };
        table.destroy = [](void* self) { ++of(self).destroyed; };
        return backstay::capi::make_host_source(table, this);
    }

    SessionPlan open_session(DataSource& source, SnapshotView* parent = nullptr,
                             std::stop_token stop = {})
    {
        return source.open(
            parent, [this](Problem problem) { problems.push_back(std::move(problem)); },
            std::move(stop));
    }

private:
    static Host& of(void* self) { return *static_cast<Host*>(self); }
};

/// The code of the error that `body` throws, and what it says.
std::string thrown(const std::function<void()>& body)
{
    try {
        body();
    } catch (const Error& error) {
        return std::string(error_code_name(error.code())) + ": " + error.what();
    }
    return "nothing";
}

/// What becomes of an entry that the host fills by `fill`.
std::string outcome_of_entry(const std::function<void(backstay_entry&)>& fill)
{
    Host host;
    host.next = [&](backstay_callback*, backstay_entry* out) {
        out->kind = BACKSTAY_KIND_FILE;
        out->path = "a";
        out->path_length = 1;
        fill(*out);
        return BACKSTAY_OK;
    };
    const auto source = host.source();
    host.open_session(*source);
    return thrown([&] { source->next(0); });
}

} // namespace

TEST_CASE("a host's entry comes with everything that the host says is present, and nothing else")
{
    static const std::uint8_t token[] = {1, 2, 3};
    static const backstay_xattr xattrs[] = {{"user.b", 6, token, 3}, {"user.a", 6, nullptr, 0}};
    Host host;
    host.next = [&](backstay_callback*, backstay_entry* out) {
        out->kind = BACKSTAY_KIND_FILE;
        out->flags = BACKSTAY_ENTRY_SEQUENTIAL | BACKSTAY_ENTRY_SPARSE;
        out->present = BACKSTAY_HAS_SIZE | BACKSTAY_HAS_MODE | BACKSTAY_HAS_MODIFIED;
        out->path = "folder/file";
        out->path_length = 11;
        out->change_token = token;
        out->change_token_length = sizeof token;
        out->xattrs = xattrs;
        out->xattr_count = 2;
        out->item = 77;
        out->size = 5;
        out->mode = 0170644;
        out->modified_s = -1;
        out->modified_ns = 999'999'999;
        out->user_id = 3; // not said to be present
        out->chunk_policy = BACKSTAY_CHUNK_GRID;
        out->chunk_size = 8192;
        return BACKSTAY_OK;
    };
    const auto source = host.source();
    CHECK(host.open_session(*source).lanes == 1);
    const auto given = source->next(0);
    REQUIRE(given);
    const Entry& entry = given->entry;
    CHECK(entry.path == "folder/file");
    CHECK(entry.size == 5);
    CHECK(entry.mode == 0644);
    CHECK(entry.modified == Timestamp{-1, 999'999'999});
    CHECK_FALSE(entry.user_id);
    CHECK_FALSE(entry.changed);
    CHECK(entry.change_token == Bytes{1, 2, 3});
    CHECK(entry.xattrs == std::vector<Xattr>{{"user.a", {}}, {"user.b", {1, 2, 3}}});
    CHECK(given->item == 77);
    CHECK(given->sequential);
    CHECK(given->sparse);
    CHECK(given->policy.kind == ChunkPolicy::Kind::grid);
    CHECK(given->policy.size == 8192);
    CHECK_NOTHROW(check_entry_limits(entry));
}

TEST_CASE("what a host gives and cannot be an entry is the host's failure, never ours")
{
    const std::vector<std::pair<const char*, std::function<void(backstay_entry&)>>> bad{
        {"no kind", [](backstay_entry& entry) { entry.kind = 0; }},
        {"unknown kind", [](backstay_entry& entry) { entry.kind = 10; }},
        {"no path", [](backstay_entry& entry) { entry.path_length = 0; }},
        {"NULL path", [](backstay_entry& entry) { entry.path = nullptr; }},
        {"absolute", [](backstay_entry& entry) { entry.path = "/"; }},
        {"huge path", [](backstay_entry& entry) { entry.path_length = SIZE_MAX; }},
        {"up", [](backstay_entry& entry) { entry.path = "..", entry.path_length = 2; }},
        {"NUL", [](backstay_entry& entry) { entry.path = "\0"; }},
        {"NULL token", [](backstay_entry& entry) { entry.change_token_length = 1; }},
        {"NULL xattrs", [](backstay_entry& entry) { entry.xattr_count = 1; }},
        {"many xattrs",
         [](backstay_entry& entry) {
             static const backstay_xattr one{"a", 1, nullptr, 0};
             entry.xattrs = &one;
             entry.xattr_count = SIZE_MAX / 2;
         }},
        {"NULL value",
         [](backstay_entry& entry) {
             static const backstay_xattr one{"a", 1, nullptr, 1};
             entry.xattrs = &one;
             entry.xattr_count = 1;
         }},
        {"long user", [](backstay_entry& entry) { entry.user = "a", entry.user_length = 1 << 20; }},
        {"time",
         [](backstay_entry& entry) {
             entry.present = BACKSTAY_HAS_CHANGED;
             entry.changed_ns = 1'000'000'000;
         }},
        {"policy", [](backstay_entry& entry) { entry.chunk_policy = 4; }},
    };
    for (const auto& [name, fill] : bad) {
        CAPTURE(name);
        CHECK(outcome_of_entry(fill).starts_with("host: "));
    }
    CHECK(outcome_of_entry([](backstay_entry&) {}) == "nothing");
}

TEST_CASE("a failure of a host says what the host said, with its tag")
{
    Host host;
    host.open = [](backstay_callback* callback, backstay_view*, backstay_session*) {
        return backstay_callback_fail(callback, BACKSTAY_E_DENIED, "not today", BACKSTAY_NUL, 42);
    };
    const auto source = host.source();
    try {
        host.open_session(*source);
        FAIL("it opened");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::denied);
        CHECK(std::string(error.what()) == "not today");
        CHECK(error.host_tag() == 42);
    }
}

TEST_CASE("a status that is none of ours, or has no words, still says which function failed")
{
    Host host;
    host.next = [](backstay_callback*, backstay_entry*) { return -12345; };
    host.read = [](backstay_callback*, std::uint64_t, std::size_t, std::size_t*) {
        return BACKSTAY_E_STORAGE;
    };
    const auto source = host.source();
    host.open_session(*source);
    Bytes buffer(10);
    CHECK(thrown([&] { source->next(0); }).starts_with("host: next of the host's source failed"));
    CHECK(thrown([&] {
              source->read(0, 1, 0, buffer);
          }).starts_with("storage: read of the host's source failed"));
}

TEST_CASE("a host that claims the impossible is not believed")
{
    Host host;
    host.read = [](backstay_callback*, std::uint64_t, std::size_t size, std::size_t* got) {
        *got = size + 1;
        return BACKSTAY_OK;
    };
    const auto source = host.source();
    host.open_session(*source);
    Bytes buffer(10);
    CHECK(thrown([&] { source->read(0, 1, 0, buffer); }).starts_with("host: "));
    for (const auto& [begin, end] : {std::pair{5U, 6U}, {10U, 10U}, {12U, 11U}}) {
        CAPTURE(begin);
        host.next_data = [begin = begin, end = end](backstay_callback*, std::uint64_t* from,
                                                    std::uint64_t* to) {
            *from = begin;
            *to = end;
            return BACKSTAY_OK;
        };
        CHECK(thrown([&] { source->next_data(0, 1, 10); }).starts_with("host: "));
    }
    for (const std::uint32_t lanes : {0U, 257U}) {
        host.open = [lanes](backstay_callback*, backstay_view*, backstay_session* out) {
            out->lane_count = lanes;
            return BACKSTAY_OK;
        };
        CHECK(thrown([&] { host.open_session(*source); }).starts_with("host: "));
    }
}

TEST_CASE("an entry that the host calls damaged is marked, in this session and in no later one")
{
    Host host;
    host.next = [](backstay_callback*, backstay_entry* out) {
        out->kind = BACKSTAY_KIND_FILE;
        out->path = "a";
        out->path_length = 1;
        return BACKSTAY_OK;
    };
    host.read = [](backstay_callback* callback, std::uint64_t, std::size_t, std::size_t*) {
        return backstay_callback_problem(callback, BACKSTAY_E_DAMAGED, "a", 1, "half of it",
                                         BACKSTAY_NUL);
    };
    const auto source = host.source();
    host.open_session(*source);
    auto given = source->next(0);
    CHECK_FALSE(given->entry.damaged);
    Bytes buffer(10);
    CHECK(source->read(0, 1, 0, buffer) == 0);
    source->outcome(0, 1, given->entry);
    CHECK(given->entry.damaged);
    REQUIRE(host.problems.size() == 1);
    CHECK(host.problems[0].code == ErrorCode::damaged);
    CHECK(host.problems[0].path == "a");
    CHECK(host.problems[0].message == "half of it");
    source->settle(false);

    host.open_session(*source);
    CHECK_FALSE(source->next(0)->entry.damaged);
}

TEST_CASE("a host's verdict is taken, and none is a failure")
{
    Host host;
    const auto source = host.source();
    host.open_session(*source);
    CHECK(source->finish().kind == SourceVerdict::Kind::ok);
    host.finish = [](backstay_callback*, backstay_verdict* out) {
        out->verdict = BACKSTAY_VERDICT_DAMAGED;
        out->problems = 3;
        out->message = "half";
        return BACKSTAY_OK;
    };
    const SourceVerdict damaged = source->finish();
    CHECK(damaged.kind == SourceVerdict::Kind::damaged);
    CHECK(damaged.problems == 3);
    CHECK(damaged.message == "half");
    CHECK(damaged.record.empty());
    for (const std::uint32_t verdict : {0U, 3U, 4U, UINT32_MAX}) {
        host.finish = [verdict](backstay_callback*, backstay_verdict* out) {
            out->verdict = verdict;
            return BACKSTAY_OK;
        };
        CHECK(source->finish().kind == SourceVerdict::Kind::failed);
    }
}

TEST_CASE("a host learns that it is to stop, by asking and by its descriptor")
{
    std::stop_source stop;
    Host host;
    std::vector<int> seen;
    host.next = [&](backstay_callback* callback, backstay_entry*) {
        pollfd readable{backstay_callback_cancel_descriptor(callback), POLLIN, 0};
        seen.push_back(backstay_callback_is_cancelled(callback));
        seen.push_back(::poll(&readable, 1, 0));
        return BACKSTAY_DONE;
    };
    const auto source = host.source();
    host.open_session(*source, nullptr, stop.get_token());
    source->next(0);
    stop.request_stop();
    source->next(0);
    CHECK(seen == std::vector<int>{0, 0, 1, 1});
}

TEST_CASE("most of the library is closed inside a callback, and open again behind it")
{
    Host host;
    int depth = 0;
    host.settle = [&](std::int32_t committed) {
        depth = backstay::capi::callback_depth();
        return committed == 1 ? BACKSTAY_OK : BACKSTAY_E_HOST;
    };
    auto source = host.source();
    host.open_session(*source);
    source->settle(true);
    CHECK(depth == 1);
    CHECK(backstay::capi::callback_depth() == 0);
    CHECK(thrown([&] { source->settle(false); }).starts_with("host: "));
    CHECK(backstay::capi::callback_depth() == 0);
    source.reset();
    CHECK(host.destroyed == 1);
}

TEST_CASE("each entry is released once, at the latest when the session settles")
{
    Host host;
    host.next = [](backstay_callback*, backstay_entry* out) {
        out->kind = BACKSTAY_KIND_FILE;
        out->path = "file";
        out->path_length = 4;
        out->item = 7;
        return BACKSTAY_OK;
    };
    const auto source = host.source();
    host.open_session(*source);
    source->next(0);
    source->release(0, 7);
    CHECK(host.released == 1);
    source->next(0);
    source->settle(false);
    CHECK(host.released == 2);
    host.open_session(*source);
    source->settle(false);
    CHECK(host.released == 2);
}
