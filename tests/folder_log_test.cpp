#include "target/folder_log.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

WaitingFolder folder(std::size_t number)
{
    WaitingFolder folder;
    folder.entry.path = "some/folder/" + std::to_string(number);
    folder.entry.kind = EntryKind::directory;
    folder.entry.mode = static_cast<std::uint32_t>(number % 512);
    folder.entry.modified = Timestamp{-static_cast<std::int64_t>(number), 7};
    folder.entry.xattrs = {{"user.number", Bytes(number % 300, 1)}};
    folder.locks = number % 3;
    if (number % 2 == 0) {
        folder.mode = 0700;
        folder.origin = WaitingFolder::Origin::found;
        folder.wanted = WaitingFolder::Wanted::as_found;
    }
    return folder;
}

} // namespace

TEST_CASE("folders come back last first and as they were, from memory and from a file")
{
    for (const std::size_t count : {0U, 10U, 60'000U}) { // the last goes to a file in part
        CAPTURE(count);
        FolderLog log;
        for (std::size_t number = 0; number < count; ++number) {
            log.add(folder(number));
        }
        std::size_t left = count;
        log.drain([&](const WaitingFolder& got) {
            const WaitingFolder wanted = folder(--left);
            const bool same = got.entry == wanted.entry && got.locks == wanted.locks &&
                              got.mode == wanted.mode && got.origin == wanted.origin &&
                              got.wanted == wanted.wanted;
            REQUIRE(same);
        });
        CHECK(left == 0);
    }
}

TEST_CASE("a path far beyond what one name may be is kept")
{
    FolderLog log;
    WaitingFolder deep = folder(1);
    deep.entry.path.clear();
    for (int depth = 0; depth < 2000; ++depth) {
        deep.entry.path += (depth == 0 ? "" : "/") + std::string(100, 'x');
    }
    log.add(deep);
    WaitingFolder root = folder(2);
    root.entry.path = "";
    log.add(root);
    std::string paths;
    log.drain([&](const WaitingFolder& got) { paths += "<" + got.entry.path + ">"; });
    CHECK((paths == "<><" + deep.entry.path + ">"));
}
