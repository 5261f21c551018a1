#include "base/error.hpp"

#include <cerrno>
#include <doctest/doctest.h>
#include <set>

using namespace backstay::core;

namespace
{

Error thrown_for(int system_error, ErrorCode otherwise = ErrorCode::storage)
{
    try {
        throw_system_error(system_error, "cannot open", "/some/path", otherwise);
    } catch (const Error& e) {
        return e;
    }
}

} // namespace

TEST_CASE("a failed system call says what was tried, why it failed and on what")
{
    const Error error = thrown_for(EIO);
    CHECK(std::string(error.what()) == "cannot open: Input/output error");
    CHECK(error.subject() == "/some/path");
    CHECK(error.system_error() == EIO);
}

TEST_CASE("errors of the system become the kinds that callers tell apart")
{
    CHECK(thrown_for(ENOSPC).code() == ErrorCode::no_space);
    CHECK(thrown_for(EDQUOT).code() == ErrorCode::no_space);
    CHECK(thrown_for(ENOENT).code() == ErrorCode::not_found);
    CHECK(thrown_for(EACCES).code() == ErrorCode::denied);
    CHECK(thrown_for(EPERM).code() == ErrorCode::denied);
    CHECK(thrown_for(EROFS).code() == ErrorCode::denied);
    CHECK(thrown_for(ENOMEM).code() == ErrorCode::no_memory);
    CHECK(thrown_for(EEXIST).code() == ErrorCode::exists);
    CHECK(thrown_for(EIO).code() == ErrorCode::storage);
    CHECK(thrown_for(EIO, ErrorCode::source).code() == ErrorCode::source);
}

TEST_CASE("every code has a name of its own")
{
    std::set<std::string> names;
    int known = 0;
    for (int number = -40; number <= 0; ++number) {
        const std::string name = error_code_name(static_cast<ErrorCode>(number));
        if (name != "unknown") {
            ++known;
            names.insert(name);
        }
    }
    CHECK(known == 22);
    CHECK(names.size() == 22);
}

TEST_CASE("what a host attached to its failure stays with the error")
{
    Error error(ErrorCode::host, "the host failed");
    CHECK(error.host_tag() == 0);
    error.set_host_tag(77);
    const Error copy = error;
    CHECK(copy.host_tag() == 77);
}
