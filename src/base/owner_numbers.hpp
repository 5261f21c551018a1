#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace backstay::core
{

/// Turns names of users and groups into this machine's numbers, asking the system once a name.
/// Thread-safe.
class OwnerNumbers
{
public:
    /// Empty if there is no such name here.
    std::optional<std::uint32_t> user(const std::string& name);
    std::optional<std::uint32_t> group(const std::string& name);

private:
    using Known = std::unordered_map<std::string, std::optional<std::uint32_t>>;
    std::mutex mutex_;
    Known users_;  // guarded by mutex_
    Known groups_; // guarded by mutex_
};

} // namespace backstay::core
