#include "source/owner_names.hpp"

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

/// Calls getpwuid_r or getgrgid_r with a buffer that is large enough; the name is `field`. Empty if
/// there is none.
template <typename Record, typename Call>
std::string find_name(std::uint32_t id, char* Record::*field, Call call)
{
    for (std::size_t size = first_buffer; size <= largest_buffer; size *= 4) {
        std::vector<char> buffer(size);
        Record record{};
        Record* found = nullptr;
        const int error = call(id, &record, buffer.data(), buffer.size(), &found);
        if (error != ERANGE) {
            return error == 0 && found != nullptr ? found->*field : "";
        }
    }
    return "";
}

std::string look_up_user(std::uint32_t id)
{
    return find_name(id, &passwd::pw_name, ::getpwuid_r);
}

std::string look_up_group(std::uint32_t id)
{
    return find_name(id, &group::gr_name, ::getgrgid_r);
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
