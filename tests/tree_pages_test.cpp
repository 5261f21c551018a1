#include "repo/tree_pages.hpp"

#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>
#include <set>

namespace backstay::core
{

namespace
{

/// Few different bytes, so that names share beginnings and are beginnings of each other.
std::string short_name(SeededNumbers& numbers)
{
    constexpr std::string_view letters = "ab\xff\x01";
    std::string name;
    for (std::uint64_t size = 1 + numbers.below(12); size > 0; --size) {
        name += letters[numbers.below(letters.size())];
    }
    return name;
}

KnownPage page_of(const std::set<std::string>& names)
{
    TreePage page;
    for (const std::string& name : names) {
        page.entries.emplace_back().path = name;
    }
    return {std::move(page), 1000};
}

} // namespace

TEST_CASE("a page finds the entries that it has, and no others")
{
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        SeededNumbers numbers(seed);
        const std::string beginning(numbers.below(20), 'b');
        std::set<std::string> names;
        for (std::uint64_t count = numbers.below(200); count > 0; --count) {
            names.insert(beginning + short_name(numbers));
        }
        const KnownPage page = page_of(names);
        for (const std::string& name : names) {
            const Entry* const found = page.find(name);
            REQUIRE(found != nullptr);
            CHECK(found->path == name);
        }
        for (int i = 0; i < 200; ++i) {
            const std::string name = (i % 2 == 0 ? beginning : "") + short_name(numbers);
            CHECK((page.find(name) != nullptr) == (names.find(name) != names.end()));
        }
        CHECK(page.find("") == nullptr);
    }
}

} // namespace backstay::core
