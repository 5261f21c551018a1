#include "net/header_list.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

} // namespace

std::optional<std::string_view> find_header(const HeaderList& headers, std::string_view name)
{
    for (const auto& header : headers) {
        if (std::equal(header.first.begin(), header.first.end(), name.begin(), name.end(),
                       [](char a, char b) { return lower(a) == lower(b); })) {
            return header.second;
        }
    }
    return std::nullopt;
}

} // namespace backstay::core
