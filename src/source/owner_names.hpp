#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace backstay::core
{

/// Names of users and groups, each asked for once. Thread-safe.
class OwnerNames
{
public:
    /// "" if the number has none.
    std::string user(std::uint32_t id);
    std::string group(std::uint32_t id);

private:
    std::mutex mutex_; // guards both
    std::unordered_map<std::uint32_t, std::string> users_;
    std::unordered_map<std::uint32_t, std::string> groups_;
};

} // namespace backstay::core
