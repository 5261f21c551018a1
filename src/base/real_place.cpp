#include "base/real_place.hpp"

#include <filesystem>
#include <system_error>

namespace backstay::core
{

std::optional<std::string> real_place(const std::string& path)
{
    std::error_code failure;
    // A relative path of which nothing is there would stay one.
    const std::filesystem::path whole = std::filesystem::absolute(path, failure);
    if (failure) {
        return std::nullopt;
    }
    const std::filesystem::path real = std::filesystem::weakly_canonical(whole, failure);
    if (failure) {
        return std::nullopt;
    }
    std::string text = real.relative_path().string();
    while (text.ends_with('/')) {
        text.pop_back();
    }
    return text;
}

} // namespace backstay::core
