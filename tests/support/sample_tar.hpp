#pragma once

#include "base/bytes.hpp"

#include <cstdio>
#include <numeric>
#include <string>

namespace backstay::core
{

/// Appends a member as a PostgreSQL server writes it: mode 0600, of a fixed time.
inline void append_tar_member(Bytes& archive, const std::string& name, char type,
                              const std::string& content, const std::string& link = {})
{
    Bytes block(512);
    const auto put = [&block](std::size_t at, const std::string& text) {
        std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(at));
    };
    const auto octal = [](std::uint64_t number, int digits) {
        std::array<char, 32> text{};
        std::snprintf(text.data(), text.size(), "%0*llo", digits,
                      static_cast<unsigned long long>(number));
        return std::string(text.data());
    };
    put(0, name);
    put(100, octal(0600, 7));
    put(108, octal(113, 7));
    put(116, octal(120, 7));
    put(124, octal(content.size(), 11));
    put(136, octal(1'700'000'000, 11));
    put(148, "        ");
    put(156, std::string(1, type));
    put(157, link);
    put(257, "ustar");
    put(263, "00");
    put(148, octal(std::accumulate(block.begin(), block.end(), std::uint64_t{0}), 6));
    block[154] = 0;
    append(archive, block);
    append(archive, as_bytes(content));
    archive.resize((archive.size() + 511) / 512 * 512);
}

} // namespace backstay::core
