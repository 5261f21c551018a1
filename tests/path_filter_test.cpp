#include "engine/path_filter.hpp"

#include "base/error.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

/// What a walk that heeds the decisions takes of a small tree, in its order.
std::string taken(const std::vector<std::string>& include, const std::vector<std::string>& exclude)
{
    struct Found {
        std::string path;
        bool is_folder;
    };
    const std::vector<Found> tree{
        {"a", true},      {"a/1.txt", false},      {"a/2.log", false},
        {"a/deep", true}, {"a/deep/3.txt", false}, {"a/deep/4.log", false},
        {"ab", true},     {"ab/5.txt", false},     {"b", false}};
    PathFilter filter(include, exclude);
    std::string all;
    std::string skipped; // below this
    for (const Found& found : tree) {
        if (!skipped.empty() && found.path.starts_with(skipped)) {
            continue;
        }
        const PathFilter::Decision decision = filter.decide(found.path, found.is_folder);
        if (decision == PathFilter::Decision::take) {
            all += (all.empty() ? "" : " ") + found.path;
        }
        if (decision == PathFilter::Decision::skip && found.is_folder) {
            skipped = found.path + "/";
        }
    }
    return all;
}

} // namespace

TEST_CASE("without patterns everything is taken")
{
    CHECK(taken({}, {}) == "a a/1.txt a/2.log a/deep a/deep/3.txt a/deep/4.log ab ab/5.txt b");
}

TEST_CASE("an included folder is taken with all that is in it, and no other that begins like it")
{
    CHECK(taken({"/a"}, {}) == "a a/1.txt a/2.log a/deep a/deep/3.txt a/deep/4.log");
    CHECK(taken({"deep"}, {}) == "a/deep a/deep/3.txt a/deep/4.log");
}

TEST_CASE("what is included is found in folders that are not")
{
    CHECK(taken({"*.txt"}, {}) == "a/1.txt a/deep/3.txt ab/5.txt");
    CHECK(taken({"/a/deep/3.txt", "b"}, {}) == "a/deep/3.txt b");
    CHECK(taken({"nothing"}, {}).empty());
}

TEST_CASE("what is excluded is not taken, whatever includes it")
{
    CHECK(taken({}, {"*.log"}) == "a a/1.txt a/deep a/deep/3.txt ab ab/5.txt b");
    CHECK(taken({"a"}, {"*.log"}) == "a a/1.txt a/deep a/deep/3.txt");
    CHECK(taken({"*.txt"}, {"deep/"}) == "a/1.txt ab/5.txt");
    CHECK(taken({}, {"*.log", "!4.log"}) ==
          "a a/1.txt a/deep a/deep/3.txt a/deep/4.log ab ab/5.txt b");
}

TEST_CASE("a pattern that means nothing is refused, on either side")
{
    for (const char* pattern : {"[", "a\\"}) {
        CAPTURE(pattern);
        CHECK_THROWS_AS(PathFilter({pattern}, {}), Error);
        CHECK_THROWS_AS(PathFilter({}, {pattern}), Error);
    }
}
