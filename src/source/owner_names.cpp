#include "source/owner_names.hpp"

#include <array>
#include <grp.h>
#include <pwd.h>

namespace backstay::core
{

namespace
{

using Buffer = std::array<char, 65536>; // a group's members may be many

std::string look_up_user(std::uint32_t id)
{
    Buffer buffer;
    passwd entry{};
    passwd* found = nullptr;
    return ::getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
               ? found->pw_name
               : "";
}

std::string look_up_group(std::uint32_t id)
{
    Buffer buffer;
    group entry{};
    group* found = nullptr;
    return ::getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
               ? found->gr_name
               : "";
}

template <typename LookUp>
std::string cached(std::unordered_map<std::uint32_t, std::string>& names, std::uint32_t id,
                   LookUp&& look_up)
{
    const auto found = names.find(id);
    return found != names.end() ? found->second : names.emplace(id, look_up(id)).first->second;
}

} // namespace

std::string OwnerNames::user(std::uint32_t id)
{
    const std::lock_guard lock(mutex_);
    return cached(users_, id, look_up_user);
}

std::string OwnerNames::group(std::uint32_t id)
{
    const std::lock_guard lock(mutex_);
    return cached(groups_, id, look_up_group);
}

} // namespace backstay::core
