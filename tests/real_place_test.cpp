#include "base/real_place.hpp"

#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <filesystem>

using namespace backstay::core;

TEST_CASE("a path is the same place by every way that leads to it")
{
    const TempDir folder;
    const std::string top = folder.path();
    std::filesystem::create_directory(top + "/real");
    std::filesystem::create_directory_symlink(top + "/real", top + "/link");
    const std::optional<std::string> real = real_place(top + "/real");
    REQUIRE(real);
    CHECK(real->front() != '/');
    CHECK(real_place(top + "/real/") == real);
    CHECK(real_place(top + "/link") == real);
    CHECK(real_place(top + "/real/../link/.") == real);
    CHECK(real_place(top + "/link/absent/below") == *real + "/absent/below");
    CHECK(real_place("/") == "");
}

TEST_CASE("a relative path of which nothing is there is absolute all the same")
{
    const std::string here = std::filesystem::canonical(".").relative_path().string();
    CHECK(real_place("no such folder/below") == here + "/no such folder/below");
}

TEST_CASE("a circle of symlinks is no place")
{
    const TempDir folder;
    const std::string top = folder.path();
    std::filesystem::create_symlink("b", top + "/a");
    std::filesystem::create_symlink("a", top + "/b");
    CHECK(!real_place(top + "/a/below"));
}
