#include "base/owner_numbers.hpp"

#include <cerrno>
#include <grp.h>
#include <pwd.h>
#include <vector>

namespace backstay::core
{

namespace
{

constexpr std::size_t first_buffer = 4096;
constexpr std::size_t largest_buffer = 1 << 22; // a group with very many members

/// Calls one of the getpwnam_r family with a buffer that is large enough.
template <typename Record, typename Call>
std::optional<Record> find_record(const std::string& name, Call call)
{
    for (std::size_t size = first_buffer; size <= largest_buffer; size *= 4) {
        std::vector<char> buffer(size);
        Record record{};
        Record* found = nullptr;
        const int error = call(name.c_str(), &record, buffer.data(), buffer.size(), &found);
        if (error != ERANGE) {
            return error == 0 && found != nullptr ? std::optional<Record>(record) : std::nullopt;
        }
    }
    return std::nullopt;
}

} // namespace

std::optional<std::uint32_t> OwnerNumbers::user(const std::string& name)
{
    const std::lock_guard lock(mutex_);
    const auto known = users_.find(name);
    if (known != users_.end()) {
        return known->second;
    }
    const auto record = find_record<::passwd>(name, getpwnam_r);
    return users_[name] = record ? std::optional<std::uint32_t>(record->pw_uid) : std::nullopt;
}

std::optional<std::uint32_t> OwnerNumbers::group(const std::string& name)
{
    const std::lock_guard lock(mutex_);
    const auto known = groups_.find(name);
    if (known != groups_.end()) {
        return known->second;
    }
    const auto record = find_record<::group>(name, getgrnam_r);
    return groups_[name] = record ? std::optional<std::uint32_t>(record->gr_gid) : std::nullopt;
}

} // namespace backstay::core
