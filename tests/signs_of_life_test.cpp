#include "repo/signs_of_life.hpp"

#include "base/random.hpp"
#include "format/index_segment.hpp"
#include "repo/heartbeat.hpp"
#include "support/faulty_store.hpp"
#include "support/sample_repository.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <thread>

using namespace backstay::core;

namespace
{

/// Takes everything but segments.
class SegmentlessStore : public FaultyStore
{
public:
    explicit SegmentlessStore(std::shared_ptr<ObjectStore> below)
        : FaultyStore(std::move(below), 0, When::before, How::once, ErrorCode::storage)
    {
    }
    using FaultyStore::create;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override
    {
        if (key.starts_with("index/")) {
            ++refused;
            throw Error(ErrorCode::denied, "no segments here", key);
        }
        FaultyStore::create(key, object, stop);
    }
    std::atomic<int> refused{0};
};

/// A segment without entries. Returns when the store says it was written.
Timestamp write_empty_segment(Repository& repository, const SessionId& session)
{
    SegmentFooter footer;
    footer.session = session;
    const Bytes envelope = encode_envelope(repository.keys().make_envelope(
        ObjectType::segment, KeyClass::index, encode_segment_footer(footer)));
    Bytes object = envelope;
    append(object, encode_segment_trailer(envelope.size()));
    const std::string key = segment_key(random_id<SegmentId>());
    repository.store().create(key, object, {});
    return repository.store().stat(key, {})->modified;
}

} // namespace

TEST_CASE("a segment is a sign of life of the session that wrote it, and of no other")
{
    SampleRepository sample;
    ListedSession alive{random_id<SessionId>(), std::nullopt, {}};
    ListedSession silent{random_id<SessionId>(), std::nullopt, {}};
    write_empty_segment(*sample.repository, alive.id);
    const Timestamp last = write_empty_segment(*sample.repository, alive.id);
    write_empty_segment(*sample.repository, random_id<SessionId>());
    std::vector<ListedSession> sessions{silent, alive};
    add_signs_of_life(*sample.repository, sessions, {});
    CHECK(sessions[0].last_sign == silent.last_sign);
    CHECK(sessions[1].last_sign == last);
}

TEST_CASE("a segment older than the session's last sign takes nothing back")
{
    SampleRepository sample;
    ListedSession session{random_id<SessionId>(), std::nullopt, {INT64_MAX, 0}};
    write_empty_segment(*sample.repository, session.id);
    std::vector<ListedSession> sessions{session};
    add_signs_of_life(*sample.repository, sessions, {});
    CHECK(sessions[0].last_sign == session.last_sign);
}

TEST_CASE("segments that cannot be read are no signs, and do no harm")
{
    SampleRepository sample;
    ListedSession session{random_id<SessionId>(), std::nullopt, {}};
    const Timestamp last = write_empty_segment(*sample.repository, session.id);
    const std::string good = keys_of(*sample.store, "index/").front();
    const Bytes bytes = get_object(*sample.store, good, MiB, {});
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        sample.store->create(segment_key(random_id<SegmentId>()), cut, {});
        Bytes flipped = bytes;
        flipped[size] ^= 0x41;
        sample.store->create(segment_key(random_id<SegmentId>()), flipped, {});
    }
    std::vector<ListedSession> sessions{session};
    add_signs_of_life(*sample.repository, sessions, {});
    CHECK(sessions[0].last_sign == last);
}

TEST_CASE("a reader that is silent gives signs of life, one at a time, and takes the last away")
{
    SampleRepository sample;
    Session reader(*sample.repository, "restore", Session::Use::reading, {});
    const Timestamp announced = list_sessions(*sample.repository, {}).front().last_sign;
    {
        const Heartbeat signs(*sample.repository, reader.id(), {}, std::chrono::milliseconds(5));
        std::vector<std::string> seen;
        for (int i = 0; i < 2000 && seen.size() < 3; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            const std::vector<std::string> now = keys_of(*sample.store, "index/");
            CHECK(now.size() <= 2); // the new one, and the last one until that is taken away
            for (const std::string& key : now) {
                if (std::find(seen.begin(), seen.end(), key) == seen.end()) {
                    seen.push_back(key);
                }
            }
        }
        CHECK(seen.size() >= 3);
        CHECK(list_sessions(*sample.repository, {}).front().last_sign > announced);
    }
    CHECK(keys_of(*sample.store, "index/").empty());
    reader.finish_reading({});
}

TEST_CASE("a session that cannot give signs of life goes on without")
{
    SampleRepository sample;
    const auto store = std::make_shared<SegmentlessStore>(sample.store);
    const auto repository = open_sample(store);
    Session reader(*repository, "restore", Session::Use::reading, {});
    {
        const Heartbeat signs(*repository, reader.id(), {}, std::chrono::milliseconds(1));
        for (int i = 0; i < 2000 && store->refused < 3; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    CHECK(store->refused >= 3);
    reader.finish_reading({});
}
