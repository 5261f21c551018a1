#include "repo/blob_reader.hpp"

#include "support/hooked_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;
using Operation = HookedStore::Operation;

namespace
{

constexpr int files_saved = 60; // a blob or two each, in a few frames

/// A store where every frame of the large packs, which hold all files' contents, is altered.
std::shared_ptr<MemoryStore> store_with_altered_packs()
{
    const auto disk = std::make_shared<MemoryStore>();
    Files files;
    for (int i = 0; i < files_saved; ++i) {
        files["file" + std::to_string(i)] = seeded_bytes(static_cast<std::uint64_t>(i), 50'000);
    }
    back_up(*init_sample(disk), files);
    std::map<std::string, Bytes> contents = contents_of(*disk);
    for (auto& [key, bytes] : contents) {
        if (bytes.size() > 100'000) {
            for (std::size_t at = 0; at < bytes.size(); at += 5000) {
                bytes[at] ^= 1;
            }
        }
    }
    return store_of(contents);
}

std::vector<BlobId> chunks_of(const BlobIndex& index)
{
    std::vector<BlobId> ids;
    index.for_each([&](std::uint64_t, const BlobId& id, const BlobPlace& place) {
        if (place.kind == BlobKind::data) {
            ids.push_back(id);
        }
    });
    return ids;
}

} // namespace

TEST_CASE("much that is lost is told blob by blob, and not looked for anew each time")
{
    const auto hooked = std::make_shared<HookedStore>(store_with_altered_packs());
    const auto repository = open_sample(hooked);
    const auto index = std::shared_ptr<BlobIndex>(
        BlobIndex::load(*repository, read_condemned(*repository, {}), Freshness::fresh, {}));
    int asked = 0;
    BlobReader reader(*repository, index, 8 * MiB, [&asked] {
        ++asked;
        return true;
    });
    int lists = 0;
    int gets = 0;
    hooked->before = [&](Operation operation, const std::string& key) {
        lists += operation == Operation::list ? 1 : 0;
        gets += operation == Operation::get && key.starts_with("packs/") ? 1 : 0;
    };
    const std::vector<BlobId> ids = chunks_of(*index);
    REQUIRE(ids.size() >= files_saved);
    for (const BlobId& id : ids) {
        const auto error = error_of([&] { reader.read(id, BlobKind::data, {}); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::damaged);
        CHECK(error->subject() == id.hex());
        CHECK(std::string(error->what()).find("does not open") != std::string::npos);
    }
    CHECK(asked == 1);
    CHECK(lists <= static_cast<int>(ids.size()) + 10); // of the index: is it still the same?
    CHECK(gets <= 20);                                 // of some four frames, and of directories
}
