#include "base/owner_numbers.hpp"

#include <doctest/doctest.h>
#include <grp.h>
#include <pwd.h>
#include <string>

using namespace backstay::core;

TEST_CASE("names of owners have the numbers that the system gives them")
{
    OwnerNumbers numbers;
    CHECK(numbers.user("root") == 0U);
    CHECK(numbers.group("root") == 0U);
    const passwd* user = ::getpwnam("daemon");
    REQUIRE(user != nullptr);
    CHECK(numbers.user("daemon") == user->pw_uid);
    const group* other = ::getgrnam("tty");
    REQUIRE(other != nullptr);
    CHECK(numbers.group("tty") == other->gr_gid);
}

TEST_CASE("a name that nobody has gives no number, however often it is asked for")
{
    OwnerNumbers numbers;
    const std::string very_long(100'000, 'n');
    for (int i = 0; i < 3; ++i) {
        for (const std::string& name : {std::string("no such name"), std::string(), very_long}) {
            CHECK_FALSE(numbers.user(name));
            CHECK_FALSE(numbers.group(name));
        }
        CHECK(numbers.user("root") == 0U);
    }
}

TEST_CASE("a group that no user is called is no user")
{
    OwnerNumbers numbers;
    CHECK(numbers.group("tty"));
    CHECK(numbers.user("tty").has_value() == (::getpwnam("tty") != nullptr));
}
