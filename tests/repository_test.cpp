#include "repo/repository.hpp"

#include "repo/condemned.hpp"
#include "store/local_store.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_repository.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <filesystem>

using namespace backstay::core;
using Operation = HookedStore::Operation;

namespace
{

Credentials passphrase(std::string_view text)
{
    Credentials credentials;
    credentials.passphrase = Secret::copy_of(as_bytes(text));
    return credentials;
}

/// Throws `code` at the nth operation, before or after it was done; later ones work.
HookedStore::Hook fail_nth(int nth, ErrorCode code, bool& failed)
{
    auto count = std::make_shared<int>(0);
    failed = false;
    return [count, nth, code, &failed](Operation, const std::string& key) {
        if (++*count == nth) {
            failed = true;
            throw Error(code, "the store failed", key);
        }
    };
}

std::string message_of(const std::function<void()>& body)
{
    const auto error = error_of(body);
    return error ? error->what() : "";
}

} // namespace

TEST_CASE("a repository that was made opens with its settings")
{
    const auto store = std::make_shared<MemoryStore>();
    InitOptions options;
    options.pack_size = 8 * MiB;
    options.chunker.average = 16 * 1024;
    const auto made = Repository::init(store, options, sample_key(), {}, {});
    const auto opened = open_sample(store);
    CHECK(opened->config() == made->config());
    CHECK(opened->config().pack_size == 8 * MiB);
    CHECK(opened->config().chunker.average == 16 * 1024);
    CHECK(opened->config().encrypted);
    CHECK(opened->keys().repository() == made->keys().repository());
    CHECK(keys_of(*store, "").size() == 3);
}

TEST_CASE("a repository opens by passphrase, and a wrong one is told from damage")
{
    const auto store = std::make_shared<MemoryStore>();
    Repository::init(store, {}, passphrase("right"), {}, {});
    CHECK_NOTHROW(Repository::open(store, passphrase("right"), {}, {}));
    CHECK(error_name_of([&] { Repository::open(store, passphrase("wrong"), {}, {}); }) == "key");
}

TEST_CASE("a repository without encryption opens without a key only")
{
    const auto store = std::make_shared<MemoryStore>();
    InitOptions options;
    options.encrypted = false;
    Repository::init(store, options, {}, {}, {});
    CHECK_FALSE(Repository::open(store, {}, {}, {})->config().encrypted);
    CHECK(error_name_of([&] { open_sample(store); }) == "denied");
}

TEST_CASE("settings out of bounds and missing keys make no repository")
{
    const auto store = std::make_shared<MemoryStore>();
    const auto error = [&](const InitOptions& options, const Credentials& credentials) {
        return error_name_of([&] { Repository::init(store, options, credentials, {}, {}); });
    };
    InitOptions small;
    small.pack_size = 8 * MiB - 1;
    CHECK(error(small, sample_key()) == "invalid");
    InitOptions odd;
    odd.chunker.average = 65'535;
    CHECK(error(odd, sample_key()) == "invalid");
    CHECK(error({}, {}) == "invalid");
    CHECK(error({}, passphrase("")) == "invalid");
    InitOptions open;
    open.encrypted = false;
    CHECK(error(open, sample_key()) == "invalid");
    CHECK(keys_of(*store, "").empty());
}

TEST_CASE("a place that holds something is not made a repository")
{
    const auto store = std::make_shared<MemoryStore>();
    init_sample(store);
    const auto before = contents_of(*store);
    CHECK(message_of([&] { init_sample(store); }).find("already holds a repository") !=
          std::string::npos);
    CHECK(contents_of(*store) == before);
    for (const char* key : {"keys/1", "keyring/1", "packs/ab/abc", "snapshots/1", "index/1",
                            "gc/0000000000000001", "notes/1", "sessions/1"}) {
        CAPTURE(key);
        const auto other = std::make_shared<MemoryStore>();
        other->create(key, as_bytes("x"), {});
        const auto error = error_of([&] { init_sample(other); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::exists);
        CHECK(std::string(error->what()).find(key) != std::string::npos);
        CHECK(keys_of(*other, "").size() == 1);
    }
}

TEST_CASE("what an interrupted init left is removed by the next one that is told so, and only that")
{
    const auto discarding = [](const std::shared_ptr<ObjectStore>& store) {
        InitOptions init;
        init.discard_interrupted = true;
        return Repository::init(store, init, sample_key("another key file of 32 bytes...."), {},
                                {});
    };
    const auto store = std::make_shared<MemoryStore>();
    SUBCASE("a slot and a keyring")
    {
        init_sample(store);
        store->remove(config_key(1), {});
        CHECK(message_of([&] { init_sample(store); }).find("--discard-interrupted") !=
              std::string::npos);
        discarding(store);
        CHECK(keys_of(*store, "").size() == 3);
        CHECK(error_name_of([&] { open_sample(store); }) == "key");
    }
    SUBCASE("a slot alone")
    {
        init_sample(store);
        store->remove(config_key(1), {});
        store->remove(keyring_key(1), {});
        discarding(store);
        CHECK(keys_of(*store, "").size() == 3);
    }
    SUBCASE("nothing")
    {
        discarding(store);
        CHECK(keys_of(*store, "").size() == 3);
    }
    SUBCASE("not a repository")
    {
        init_sample(store);
        const auto before = contents_of(*store);
        CHECK(error_name_of([&] { discarding(store); }) == "exists");
        CHECK(contents_of(*store) == before);
    }
    SUBCASE("not one that has lost its config, as what else there is tells")
    {
        for (const char* rest : {"keys/2", "keyring/2", "packs/ab/abc", "snapshots/1", "index/1",
                                 "gc/0000000000000001", "notes/1", "sessions/1"}) {
            CAPTURE(rest);
            const auto other = std::make_shared<MemoryStore>();
            init_sample(other);
            other->remove(config_key(1), {});
            other->create(rest, as_bytes("x"), {});
            const auto before = contents_of(*other);
            CHECK(message_of([&] { discarding(other); }).find("config/ is lost") !=
                  std::string::npos);
            CHECK(contents_of(*other) == before);
        }
    }
}

TEST_CASE("where no repository is, that is said, and where one has lost its config, that")
{
    const auto empty = std::make_shared<MemoryStore>();
    const auto none = error_of([&] { open_sample(empty); });
    REQUIRE(none);
    CHECK(none->code() == ErrorCode::not_found);
    CHECK(std::string(none->what()).find("no repository") != std::string::npos);

    SampleRepository sample;
    sample.store->remove(config_key(1), {});
    const auto lost = error_of([&] { open_sample(sample.store); });
    REQUIRE(lost);
    CHECK(lost->code() == ErrorCode::damaged);
    CHECK(lost->subject() == "config/");
}

TEST_CASE("an init that fails at any operation leaves nothing that opens, or all")
{
    for (const bool answer_lost : {false, true}) {
        for (const ErrorCode code : {ErrorCode::storage, ErrorCode::unavailable}) {
            bool failed = true;
            for (int nth = 1; failed; ++nth) {
                CAPTURE(answer_lost);
                CAPTURE(nth);
                CAPTURE(error_code_name(code));
                const auto disk = std::make_shared<MemoryStore>();
                const auto faulty = std::make_shared<HookedStore>(disk);
                (answer_lost ? faulty->after : faulty->before) = fail_nth(nth, code, failed);
                const bool done = error_name_of([&] { init_sample(faulty); }).empty();
                if (done) {
                    CHECK_NOTHROW(open_sample(disk));
                } else if (keys_of(*disk, "config/").empty()) {
                    const std::string error = error_name_of([&] { open_sample(disk); });
                    CHECK((error == "not-found" || error == "damaged"));
                }
                if (!answer_lost && !done) {
                    // It failed for good and took back what it had made.
                    CHECK(keys_of(*disk, "").empty());
                }
            }
        }
    }
}

TEST_CASE("an init that dies at any operation leaves nothing that opens")
{
    bool dies = true;
    for (int nth = 1; dies; ++nth) {
        CAPTURE(nth);
        const auto disk = std::make_shared<MemoryStore>();
        const auto faulty = std::make_shared<HookedStore>(disk);
        int count = 0;
        dies = false;
        faulty->before = [&](Operation, const std::string& key) {
            if (++count >= nth) { // nothing works any more, not even tidying
                dies = true;
                throw Error(ErrorCode::storage, "dead", key);
            }
        };
        const bool done = error_name_of([&] { init_sample(faulty); }).empty();
        CHECK(done == error_name_of([&] { open_sample(disk); }).empty());
        CHECK(done == !keys_of(*disk, "config/").empty());
        if (!done && !keys_of(*disk, "").empty()) {
            // Whoever tries again is told what is in the way.
            CHECK(message_of([&] { init_sample(disk); }).find("keys/") != std::string::npos);
        }
    }
}

TEST_CASE("an open that fails at any operation fails, and the next works")
{
    SampleRepository sample;
    bool failed = true;
    for (int nth = 1; failed; ++nth) {
        CAPTURE(nth);
        const auto faulty = std::make_shared<HookedStore>(sample.store);
        faulty->before = fail_nth(nth, ErrorCode::storage, failed);
        const std::string error = error_name_of([&] { open_sample(faulty); });
        CHECK(error == (failed ? "storage" : ""));
        faulty->before = {};
        CHECK_NOTHROW(open_sample(faulty));
    }
}

TEST_CASE("a config, keyring or slot with any byte altered or missing does not open")
{
    SampleRepository sample;
    const auto contents = contents_of(*sample.store);
    REQUIRE(contents.size() == 3);
    for (const auto& object : contents) {
        const std::string& key = object.first;
        const Bytes& bytes = object.second;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            CAPTURE(key);
            CAPTURE(i);
            auto altered = contents;
            altered[key][i] ^= 0x41;
            const auto flipped = error_of([&] { open_sample(store_of(altered)); });
            REQUIRE(flipped);
            CHECK((flipped->code() == ErrorCode::damaged || flipped->code() == ErrorCode::key ||
                   flipped->code() == ErrorCode::unsupported));
            CHECK_FALSE(flipped->subject().empty());

            altered[key].assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(i));
            const auto cut = error_of([&] { open_sample(store_of(altered)); });
            REQUIRE(cut);
            CHECK(cut->code() == ErrorCode::damaged);
            CHECK(cut->subject() == key);
        }
    }
}

TEST_CASE("another repository's objects, and another number's, are noticed")
{
    SampleRepository sample;
    SampleRepository other;
    const auto contents = contents_of(*sample.store);
    for (const auto& object : contents_of(*other.store)) {
        const std::string& key = object.first;
        CAPTURE(key);
        auto mixed = contents;
        if (key.starts_with("keys/")) {
            mixed.erase(keys_of(*sample.store, "keys/").front());
        }
        mixed[key] = object.second;
        CHECK(error_name_of([&] { open_sample(store_of(mixed)); }) == "damaged");
    }
    auto renumbered = contents;
    renumbered["config/2"] = contents.at("config/1");
    CHECK(error_name_of([&] { open_sample(store_of(renumbered)); }) == "damaged");
    renumbered = contents;
    renumbered["keyring/2"] = contents.at("keyring/1");
    CHECK(error_name_of([&] { open_sample(store_of(renumbered)); }) == "damaged");
}

TEST_CASE("the newest config is the one that counts")
{
    SampleRepository sample;
    ConfigRecord config = sample.repository->config();
    config.number = 2;
    config.pack_size = 64 * MiB;
    sample.repository->write_object(config_key(2), ObjectType::config, KeyClass::open,
                                    encode_config(config), {});
    CHECK(open_sample(sample.store)->config().pack_size == 64 * MiB);
}

TEST_CASE("a repository of another format is not tried")
{
    SampleRepository sample;
    ConfigRecord config = sample.repository->config();
    config.number = 2;
    config.version = format_version + 1;
    sample.repository->write_object(config_key(2), ObjectType::config, KeyClass::open,
                                    encode_config(config), {});
    const auto error = error_of([&] { open_sample(sample.store); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::unsupported);
    CHECK(error->subject() == config_key(2));
}

TEST_CASE("a repository in a folder opens, and a folder without one says so")
{
    const TempDir dir;
    const std::string path = dir / "a/repository";
    const auto made = init_sample(std::make_shared<LocalStore>(path, LocalStore::Mode::create));
    const auto opened = open_sample(std::make_shared<LocalStore>(path, LocalStore::Mode::open));
    CHECK(opened->config() == made->config());

    const auto elsewhere = std::make_shared<LocalStore>(dir.path(), LocalStore::Mode::open);
    const auto error = error_of([&] { open_sample(elsewhere); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::not_found);
    CHECK(std::string(error->what()).find(dir.path()) != std::string::npos);
}

TEST_CASE("an object comes back with who signed it and what its bytes hash to")
{
    SampleRepository sample;
    const std::string key = note_key({});
    const Digest digest = sample.repository->write_object(key, ObjectType::note, KeyClass::meta,
                                                          as_bytes("body"), {});
    const auto opened = open_sample(sample.store);
    const auto object = opened->read_any(key, {ObjectType::snapshot, ObjectType::note}, {});
    CHECK(object.type == ObjectType::note);
    CHECK(equal(object.body, as_bytes("body")));
    CHECK(object.signer == sample.repository->keys().slot());
    CHECK(object.digest == digest);
    CHECK(digest == sha256(get_object(*sample.store, key, MiB, {})));
    CHECK(equal(opened->read_any_fresh(key, {ObjectType::note}, {}).body, as_bytes("body")));
    CHECK(error_name_of([&] { opened->read_object(key, ObjectType::snapshot, {}); }) == "damaged");
    CHECK(error_name_of([&] { opened->read_object(note_key({}) + "0", ObjectType::note, {}); }) ==
          "not-found");
}

TEST_CASE("a name that something else has is not written")
{
    SampleRepository sample;
    const auto write = [&](std::string_view body) {
        sample.repository->write_object("notes/1", ObjectType::note, KeyClass::meta, as_bytes(body),
                                        {});
    };
    write("one");
    CHECK_NOTHROW(write("one"));
    CHECK(error_name_of([&] { write("two"); }) == "exists");
}

TEST_CASE("a spoilt cache is not taken for damage, and does not show whose repository it is of")
{
    const TempDir dir;
    SampleRepository sample;
    sample.repository->write_object("notes/1", ObjectType::note, KeyClass::meta, as_bytes("body"),
                                    {});
    const auto repository = open_sample(sample.store, {dir / "cache", nullptr});
    CHECK(equal(repository->read_object("notes/1", ObjectType::note, {}), as_bytes("body")));
    const std::string file = repository->cache_folder() + "/objects/notes+1";
    for (const std::string& spoilt : {std::string(), std::string("garbage"),
                                      read_file(file).substr(0, 40), read_file(file) + "x"}) {
        write_file(file, spoilt);
        CHECK(equal(repository->read_object("notes/1", ObjectType::note, {}), as_bytes("body")));
    }
    const std::string id = repository->config().repository.hex();
    for (const auto& each : std::filesystem::recursive_directory_iterator(dir.path())) {
        CHECK(each.path().string().find(id.substr(0, 8)) == std::string::npos);
    }

    // The same object, damaged in the store as well, is damaged.
    sample.store->remove("notes/1", {});
    sample.store->create("notes/1", as_bytes("garbage"), {});
    write_file(file, "garbage");
    CHECK(error_name_of([&] { repository->read_object("notes/1", ObjectType::note, {}); }) ==
          "damaged");
}
