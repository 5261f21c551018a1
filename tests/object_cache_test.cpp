#include "repo/object_cache.hpp"

#include "support/hooked_store.hpp"
#include "support/sample_repository.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <sys/stat.h>

using namespace backstay::core;

namespace
{

/// A store with one object, which counts what is got from it.
struct Counted {
    std::shared_ptr<HookedStore> store =
        std::make_shared<HookedStore>(std::make_shared<MemoryStore>());
    int gets = 0;

    Counted()
    {
        store->create("snapshots/a", as_bytes("bytes"), {});
        store->before = [this](HookedStore::Operation operation, const std::string&) {
            gets += operation == HookedStore::Operation::get;
        };
    }
};

mode_t mode_of(const std::string& path)
{
    struct stat status {
    };
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

} // namespace

TEST_CASE("an object is got from the store once, whoever asks")
{
    const TempDir dir;
    Counted counted;
    {
        ObjectCache cache(*counted.store, dir / "a/b");
        CHECK(equal(cache.get("snapshots/a", 100, {}), as_bytes("bytes")));
    }
    const int gets = counted.gets;
    ObjectCache cache(*counted.store, dir / "a/b");
    CHECK(equal(cache.get("snapshots/a", 100, {}), as_bytes("bytes")));
    CHECK(counted.gets == gets);
}

TEST_CASE("what is cached is for this user's eyes only")
{
    const TempDir dir;
    Counted counted;
    ObjectCache cache(*counted.store, dir / "cache");
    cache.get("snapshots/a", 100, {});
    CHECK(mode_of(dir / "cache") == 0700);
    CHECK(mode_of(dir / "cache/objects") == 0700);
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(dir / "cache/objects")) {
        ++files;
        CHECK(mode_of(file.path()) == 0600);
    }
    CHECK(files == 1);
}

TEST_CASE("what the cache lost or spoilt is had from the store again")
{
    const TempDir dir;
    Counted counted;
    ObjectCache cache(*counted.store, dir / "cache");
    cache.get("snapshots/a", 100, {});
    const std::string file =
        std::filesystem::directory_iterator(dir / "cache/objects")->path().string();

    write_file(file, "spoilt");
    CHECK(equal(cache.get("snapshots/a", 100, {}), as_bytes("spoilt"))); // others see that
    CHECK(equal(cache.get_again("snapshots/a", 100, {}), as_bytes("bytes")));
    CHECK(equal(cache.get("snapshots/a", 100, {}), as_bytes("bytes")));

    std::filesystem::remove_all(dir / "cache");
    CHECK(equal(cache.get("snapshots/a", 100, {}), as_bytes("bytes")));

    // A file too large to be the object is as good as none.
    ObjectCache other(*counted.store, dir / "cache");
    other.get("snapshots/a", 100, {});
    write_file(file, std::string(1000, 'x'));
    CHECK(equal(other.get("snapshots/a", 100, {}), as_bytes("bytes")));
}

TEST_CASE("a cache that cannot be made only costs gets")
{
    const TempDir dir;
    write_file(dir / "file", "in the way");
    Counted counted;
    for (const std::string& folder : {std::string(), dir / "file", dir / "file/below"}) {
        ObjectCache cache(*counted.store, folder);
        CHECK(equal(cache.get("snapshots/a", 100, {}), as_bytes("bytes")));
        CHECK(cache.folder().empty());
    }
}

TEST_CASE("an object that is not there, or too large, is an error with a cache too")
{
    const TempDir dir;
    Counted counted;
    ObjectCache cache(*counted.store, dir / "cache");
    CHECK(error_name_of([&] { cache.get("snapshots/b", 100, {}); }) == "not-found");
    CHECK(error_name_of([&] { cache.get("snapshots/a", 4, {}); }) == "damaged");
}

TEST_CASE("a cache that is full makes room, and gives what it threw away from the store again")
{
    const TempDir dir;
    Counted counted;
    ObjectCache cache(*counted.store, dir / "cache", 3000);
    for (int i = 0; i < 10; ++i) {
        const std::string key = "snapshots/b" + std::to_string(i);
        counted.store->create(key, Bytes(1000, 'x'), {});
        CHECK(cache.get(key, 2000, {}).size() == 1000);
    }
    std::uintmax_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(dir / "cache/objects")) {
        bytes += file.file_size();
    }
    CHECK(bytes > 0);
    CHECK(bytes <= 3000);
    CHECK(cache.get("snapshots/b0", 2000, {}).size() == 1000);
}
