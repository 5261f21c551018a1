#include "source/owner_names.hpp"

#include <doctest/doctest.h>
#include <grp.h>
#include <pwd.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace backstay::core;

namespace
{

constexpr std::uint32_t nobody_has_it = 3'999'999'999;

} // namespace

TEST_CASE("numbers of owners have the names that the system gives them")
{
    OwnerNames names;
    CHECK(names.user(0) == "root");
    CHECK(names.group(0) == "root");
    const passwd* self = ::getpwuid(::geteuid());
    CHECK(names.user(::geteuid()) == (self != nullptr ? self->pw_name : ""));
}

TEST_CASE("a number without a name has none, however often it is asked for")
{
    OwnerNames names;
    for (int i = 0; i < 3; ++i) {
        CHECK(names.user(nobody_has_it).empty());
        CHECK(names.group(nobody_has_it).empty());
        CHECK(names.user(0) == "root"); // and does not get in the way of another
    }
}

TEST_CASE("users and groups of one number are not mixed up")
{
    OwnerNames names;
    // The first group whose number names no user, or another one.
    ::setgrent();
    const group* found = nullptr;
    while ((found = ::getgrent()) != nullptr) {
        const passwd* user = ::getpwuid(found->gr_gid);
        if (user == nullptr || std::string(user->pw_name) != found->gr_name) {
            break;
        }
    }
    REQUIRE(found != nullptr);
    const std::string name = found->gr_name;
    const std::uint32_t number = found->gr_gid;
    ::endgrent();
    CHECK(names.user(number) != name);
    CHECK(names.group(number) == name);
}

TEST_CASE("many threads get the same names")
{
    OwnerNames names;
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&names, &wrong] {
            for (std::uint32_t id = 0; id < 200; ++id) {
                wrong += names.user(0) != "root" || names.user(nobody_has_it + id % 7) != "";
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}
