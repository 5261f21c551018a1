#include "repo/bounded_folder.hpp"

#include "support/temp_dir.hpp"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <vector>

using namespace backstay::core;

namespace
{

void put(const std::string& path, std::size_t size, std::int64_t used)
{
    write_file(path, std::string(size, 'x'));
    const std::array<timespec, 2> times{timespec{used, 0}, timespec{used, 0}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0) == 0);
}

std::string names_in(const std::string& folder)
{
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        names.push_back(file.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    std::string all;
    for (const std::string& name : names) {
        all += name;
    }
    return all;
}

} // namespace

TEST_CASE("what was used longest ago goes first, and only beyond the limit")
{
    const TempDir dir;
    BoundedFolder folder(dir.path(), 1000);
    put(dir / "a", 400, 3000);
    folder.added(400);
    put(dir / "b", 300, 1000);
    folder.added(300);
    put(dir / "c", 300, 2000);
    folder.added(300);
    CHECK(names_in(dir.path()) == "abc");
    put(dir / "d", 100, 4000);
    folder.added(100);
    CHECK(names_in(dir.path()) == "ad"); // down to three quarters
}

TEST_CASE("a file that was read lately counts as used")
{
    const TempDir dir;
    put(dir / "old", 500, 1000);
    put(dir / "newer", 500, 2000);
    const std::array<timespec, 2> read_now{timespec{5000, 0}, timespec{0, UTIME_OMIT}};
    REQUIRE(::utimensat(AT_FDCWD, (dir / "old").c_str(), read_now.data(), 0) == 0);
    put(dir / "x", 1, 3000);
    BoundedFolder(dir.path(), 1000).added(1);
    CHECK(names_in(dir.path()) == "oldx");
}

TEST_CASE("what earlier runs left counts, and other things than files stay")
{
    const TempDir dir;
    std::filesystem::create_directory(dir / "folder");
    put(dir / "a", 5000, 1000);
    put(dir / "b", 10, 2000);
    BoundedFolder(dir.path(), 100).added(10);
    CHECK(names_in(dir.path()) == "bfolder");
    BoundedFolder(dir.path(), 0).added(0);
    CHECK(names_in(dir.path()) == "folder");
}

TEST_CASE("a folder that has gone does no harm")
{
    const TempDir dir;
    BoundedFolder folder(dir / "none", 10);
    CHECK_NOTHROW(folder.added(100));
    CHECK_NOTHROW(folder.added(100));
}
