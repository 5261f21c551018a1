#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace backstay::core
{

/// Ends the process: a finding for the fuzzer, a failure for the ordinary test.
[[noreturn]] inline void found(std::string_view what)
{
    std::fprintf(stderr, "FOUND: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

/// `run` either succeeds or throws an Error that blames the input. False if it does.
template <typename Run>
bool accepts(Run run)
{
    try {
        run();
        return true;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged && error.code() != ErrorCode::unsupported &&
            error.code() != ErrorCode::invalid) {
            found(error.what());
        }
        return false;
    }
}

/// `bytes` are refused, or are the only form of what they decode to.
template <typename Decode, typename Encode>
void demand_one_form(ByteSpan bytes, Decode decode, Encode encode)
{
    accepts([&] {
        const auto value = decode(bytes);
        if (!equal(encode(value), bytes)) {
            found("what was decoded encodes otherwise");
        }
    });
}

} // namespace backstay::core
