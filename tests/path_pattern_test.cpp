#include "base/path_pattern.hpp"

#include "base/error.hpp"
#include "support/temp_dir.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <doctest/doctest.h>
#include <random>
#include <set>
#include <vector>

using namespace backstay::core;

namespace
{

using Match = PathPatterns::Match;

bool excludes(std::string_view pattern, std::string_view path, bool is_folder = false)
{
    PathPatterns patterns;
    patterns.add(pattern);
    return patterns.match(path, is_folder) == Match::excluded;
}

bool excludes_ignoring_case(std::string_view pattern, std::string_view path)
{
    PathPatterns patterns;
    patterns.add(pattern, PathPatterns::Case::ignored);
    return patterns.match(path, false) == Match::excluded;
}

struct Named {
    std::string path;
    bool is_folder;
};

/// As a walker sees it, who does not descend into what is excluded.
bool walk_excludes(const PathPatterns& patterns, const Named& entry)
{
    for (std::size_t slash = entry.path.find('/'); slash != std::string::npos;
         slash = entry.path.find('/', slash + 1)) {
        if (patterns.match(entry.path.substr(0, slash), true) == Match::excluded) {
            return true;
        }
    }
    return patterns.match(entry.path, entry.is_folder) == Match::excluded;
}

/// Folders and files whose names are near enough to be confused.
std::vector<Named> make_tree(const std::string& root)
{
    const std::array folders{"a", "ab", "b.c", "A"};
    const std::array files{"b", "abc", "B.c", "c b", "x]", "1"};
    std::vector<Named> entries;
    std::vector<std::string> level{""};
    for (int depth = 0; depth < 3; ++depth) {
        std::vector<std::string> next;
        for (const std::string& prefix : level) {
            for (const char* file : files) {
                write_file(root + "/" + prefix + file, "");
                entries.push_back({prefix + file, false});
            }
            for (const char* folder : folders) {
                std::filesystem::create_directory(root + "/" + prefix + folder);
                entries.push_back({prefix + folder, true});
                next.push_back(prefix + folder + "/");
            }
        }
        level = depth == 0 ? next : std::vector<std::string>{next[1], next[6]};
    }
    return entries;
}

std::string random_pattern(std::mt19937& random)
{
    static const std::array pieces{"a",    "b",      "c",    "*",           "**",  "?", "/",
                                   "[ab]", "[!a]",   ".",    "[a-c]",       "\\b", "A", "/",
                                   "*",    "[^A-Z]", "/**/", "[[:upper:]]", "x]",  " ", "[]a]"};
    std::string pattern = random() % 5 == 0 ? "!" : "";
    const std::size_t length = 1 + random() % 5;
    for (std::size_t i = 0; i < length; ++i) {
        pattern += pieces[random() % pieces.size()];
    }
    return pattern;
}

std::set<std::string> ignored_by_git(const std::string& root)
{
    const std::string command = "cd '" + root +
                                "' && git -c core.excludesFile=/dev/null -c core.ignoreCase=false "
                                "check-ignore --no-index -z --stdin < ../paths";
    std::set<std::string> ignored;
    std::string out;
    FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> buffer{};
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
        out.append(buffer.data(), got);
    }
    const int status = ::pclose(pipe);
    REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 1));
    for (std::size_t at = 0; at < out.size();) {
        const std::string path = out.c_str() + at;
        at += path.size() + 1;
        ignored.insert(path);
    }
    return ignored;
}

} // namespace

TEST_CASE("a pattern without a slash names an entry at any depth")
{
    CHECK(excludes("*.tmp", "a/b/c.tmp"));
    CHECK(excludes("core", "core", true));
    CHECK_FALSE(excludes("core", "core/inside"));
    CHECK_FALSE(excludes("*.tmp", "a.tmp/b"));
}

TEST_CASE("a slash inside or in front anchors a pattern to the root")
{
    CHECK(excludes("a/b", "a/b"));
    CHECK_FALSE(excludes("a/b", "x/a/b"));
    CHECK(excludes("/b", "b"));
    CHECK_FALSE(excludes("/b", "a/b"));
}

TEST_CASE("a slash at the end means folders alone")
{
    CHECK(excludes("cache/", "x/cache", true));
    CHECK_FALSE(excludes("cache/", "x/cache", false));
}

TEST_CASE("one star stays within a name and two as a whole name cross")
{
    CHECK(excludes("a/*/c", "a/b/c"));
    CHECK_FALSE(excludes("a/*/c", "a/b/b/c"));
    CHECK(excludes("a/**/c", "a/c"));
    CHECK(excludes("a/**/c", "a/b/b/c"));
    CHECK(excludes("a/**", "a/b/c"));
    CHECK_FALSE(excludes("a/**", "a", true));
    CHECK(excludes("**/c", "c"));
    CHECK(excludes("**/c", "a/b/c"));
}

TEST_CASE("two stars inside a name do not cross")
{
    CHECK_FALSE(excludes("/a**/c", "ab/b/c"));
    CHECK_FALSE(excludes("/a**c", "ab/c"));
    CHECK_FALSE(excludes("/x/a**", "x/ab/c"));
    CHECK_FALSE(excludes("/a**/b", "ab"));
    CHECK(excludes("/a**c", "abbc"));
}

TEST_CASE("the last pattern that matches decides")
{
    PathPatterns patterns;
    patterns.add("*.tmp");
    patterns.add("!keep.tmp");
    CHECK(patterns.match("a/keep.tmp", false) == Match::included);
    CHECK(patterns.match("a/drop.tmp", false) == Match::excluded);
    CHECK(patterns.match("a/other", false) == Match::none);
    patterns.add("keep*");
    CHECK(patterns.match("a/keep.tmp", false) == Match::excluded);
}

TEST_CASE("brackets hold members, ranges, classes and their opposites")
{
    CHECK(excludes("[a-c]x", "bx"));
    CHECK_FALSE(excludes("[!a-c]x", "bx"));
    CHECK(excludes("[]x]", "]"));
    CHECK(excludes("[a-]", "-"));
    CHECK(excludes("[\\]]", "]"));
    CHECK(excludes("[[:digit:]]x", "7x"));
    CHECK_FALSE(excludes("[[:digit:]]x", "ax"));
    CHECK(excludes("[^[:space:]_]", "a"));
    CHECK_FALSE(excludes("a[!x]b", "a/b"));
    CHECK(excludes("[\x80-\xff]", "\xe4"));
}

TEST_CASE("ignoring case covers ranges in either case")
{
    CHECK(excludes_ignoring_case("*.JPG", "a.jpg"));
    CHECK(excludes_ignoring_case("[A-Z]1", "b1"));
    CHECK(excludes_ignoring_case("[a-z]1", "B1"));
    CHECK(excludes_ignoring_case("[[:upper:]]1", "b1"));
    CHECK_FALSE(excludes("[A-Z]1", "b1"));
}

TEST_CASE("blanks at the end count only where they are escaped")
{
    CHECK(excludes("foo  ", "foo"));
    CHECK(excludes("foo\\ ", "foo "));
    CHECK(excludes("foo\\ \\  ", "foo  "));
    CHECK(excludes("foo\\\\ ", "foo\\"));
    CHECK(excludes("a b", "a b"));
}

TEST_CASE("comments and empty patterns mean nothing, and both signs can be escaped")
{
    PathPatterns patterns;
    patterns.add("# a comment");
    patterns.add("");
    patterns.add("   ");
    patterns.add("!");
    patterns.add("/");
    CHECK(patterns.empty());
    CHECK(excludes("\\#x", "#x"));
    CHECK(excludes("\\!x", "!x"));
}

TEST_CASE("a pattern that cannot mean anything is refused")
{
    PathPatterns patterns;
    for (const char* bad : {"[a", "x[", "a[!]", "[[:digit:]", "a\\", "!a\\", "[a\\"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(patterns.add(bad), Error);
    }
}

TEST_CASE("many stars do not take exponential time")
{
    std::string pattern;
    std::string folders;
    for (int i = 0; i < 40; ++i) {
        pattern += "a*";
        folders += "**/a*b/";
    }
    const std::string name(255, 'a');
    std::string deep;
    for (int i = 0; i < 60; ++i) {
        deep += "aab/";
    }
    const auto begin = std::chrono::steady_clock::now();
    CHECK_FALSE(excludes(pattern + "b", name));
    CHECK_FALSE(excludes("/" + pattern + "b/x", name + "/x"));
    CHECK_FALSE(excludes(folders + "z", deep + "y"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
}

TEST_CASE("patterns leave out what git ignores")
{
    if (std::system("git --version > /dev/null 2>&1") != 0) {
        MESSAGE("git is not here: nothing to compare with");
        return;
    }
    const TempDir temp;
    const std::string root = temp / "tree";
    std::filesystem::create_directory(root);
    REQUIRE(std::system(("git init -q '" + root + "' > /dev/null 2>&1").c_str()) == 0);
    const std::vector<Named> entries = make_tree(root);
    std::string paths;
    for (const Named& entry : entries) {
        paths += entry.path + '\0';
    }
    write_file(temp / "paths", paths);
    std::mt19937 random(20261125);
    std::size_t ignored_in_all = 0;
    for (int round = 0; round < 200; ++round) {
        PathPatterns patterns;
        std::string file;
        for (int i = 0; i < 4; ++i) {
            const std::string pattern = random_pattern(random);
            patterns.add(pattern);
            file += pattern + "\n";
        }
        write_file(root + "/.gitignore", file);
        const std::set<std::string> ignored = ignored_by_git(root);
        ignored_in_all += ignored.size();
        CAPTURE(file);
        for (const Named& entry : entries) {
            CAPTURE(entry.path);
            CHECK(walk_excludes(patterns, entry) == (ignored.count(entry.path) != 0));
        }
    }
    CHECK(ignored_in_all > 1000);
}
