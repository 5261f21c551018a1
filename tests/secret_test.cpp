#include "base/secret.hpp"

#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

/// The kernel's flags of the mapping that holds `address`, as in smaps: "rd wr mr …".
std::string mapping_flags(const void* address)
{
    std::ifstream maps("/proc/self/smaps");
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        std::uintptr_t begin = 0;
        std::uintptr_t end = 0;
        char dash = 0;
        std::istringstream text(line);
        if (text >> std::hex >> begin >> dash >> end && dash == '-') {
            inside = begin <= wanted && wanted < end;
        } else if (inside && line.rfind("VmFlags:", 0) == 0) {
            return line + " ";
        }
    }
    return "";
}

} // namespace

TEST_CASE("a secret starts as zeros, is filled, cloned and moved")
{
    Secret secret(33);
    CHECK(equal(secret.span(), Bytes(33)));
    const Bytes bytes = seeded_bytes(1, 33);
    std::copy(bytes.begin(), bytes.end(), secret.mutable_span().begin());
    const Secret clone = secret.clone();
    CHECK(clone.span().data() != secret.span().data());
    const Secret moved = std::move(secret);
    CHECK(equal(moved.span(), bytes));
    CHECK(equal(clone.span(), bytes));
    CHECK(Secret().empty());
    CHECK(Secret::copy_of({}).empty());
    CHECK(equal(Secret::copy_of(bytes).span(), bytes));
}

TEST_CASE("random secrets differ")
{
    CHECK_FALSE(equal(Secret::random(32).span(), Secret::random(32).span()));
}

TEST_CASE("a secret is kept out of core dumps and wiped in child processes")
{
    const Secret secret = Secret::copy_of(as_bytes("passphrase"));
    const std::string flags = mapping_flags(secret.span().data());
    REQUIRE_FALSE(flags.empty());
    CHECK(flags.find(" dd ") != std::string::npos);
    CHECK(flags.find(" wf ") != std::string::npos);

    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        _exit(equal(secret.span(), Bytes(10)) ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(as_text(secret.span()) == "passphrase");
}

TEST_CASE("wiping zeroes all bytes, and none beside them")
{
    Bytes bytes(10, 0xaa);
    wipe(MutableByteSpan(bytes).subspan(2, 5));
    CHECK(bytes == Bytes{0xaa, 0xaa, 0, 0, 0, 0, 0, 0xaa, 0xaa, 0xaa});
    wipe({});
}
