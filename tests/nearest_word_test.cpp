#include "base/nearest_word.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

const std::vector<std::string> commands{"backup", "restore", "check", "forget", "prune", "diff"};

} // namespace

TEST_CASE("a slip of each kind finds the word that was meant")
{
    CHECK(nearest_word("bakup", commands) == "backup");
    CHECK(nearest_word("backupp", commands) == "backup");
    CHECK(nearest_word("beckup", commands) == "backup");
    CHECK(nearest_word("bacukp", commands) == "backup");
    CHECK(nearest_word("retsore", commands) == "restore");
    CHECK(nearest_word("backup", commands) == "backup");
}

TEST_CASE("nothing is suggested for what nobody could have meant")
{
    CHECK(nearest_word("xyzzy", commands).empty());
    CHECK(nearest_word("restoration-of-all", commands).empty());
    CHECK(nearest_word(std::string(100, 'a'), commands).empty());
    CHECK(nearest_word("backup", {}).empty());
}

TEST_CASE("the nearest wins, and of equally near words the first")
{
    CHECK(nearest_word("difg", {"dig", "diff"}) == "dig");
    CHECK(nearest_word("diff", {"dift", "diff"}) == "diff");
}

TEST_CASE("how far a word may lie grows with its length")
{
    CHECK(nearest_word("abcdefghi", {"xyzdefghi"}) == "xyzdefghi");
    CHECK(nearest_word("abcdef", {"xyzdef"}).empty());
    CHECK(nearest_word("abcdef", {"xycdef"}) == "xycdef");
}
