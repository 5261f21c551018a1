#include "net/pinned_key.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::string_view front = "sha256//";
constexpr std::size_t base64_size = 44; // of 32 bytes, the last one filled up with a '='

bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

} // namespace

bool is_pinned_key(std::string_view text)
{
    return text.size() == base64_size && text.back() == '=' &&
           std::all_of(text.begin(), text.end() - 1, is_base64);
}

std::vector<std::string> parse_pinned_keys(std::string_view text)
{
    std::vector<std::string> keys;
    for (std::string_view rest = text;;) {
        const std::size_t end = std::min(rest.find(';'), rest.size());
        const std::string_view key = rest.substr(0, end);
        if (!key.starts_with(front) || !is_pinned_key(key.substr(front.size()))) {
            throw Error(ErrorCode::invalid,
                        "a pinned key is written sha256//BASE64, with the SHA-256 of the server's "
                        "public key in base64, 44 characters",
                        std::string(text));
        }
        keys.emplace_back(key.substr(front.size()));
        if (end == rest.size()) {
            return keys;
        }
        rest.remove_prefix(end + 1);
    }
}

} // namespace backstay::core
