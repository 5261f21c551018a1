#include "target/postgres/file_owner.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>

namespace backstay::core
{

namespace
{

template <typename Id, typename Find>
Id id_of(const std::string& name, const char* what, Find&& find)
{
    Id id = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (failed == std::errc() && end == name.data() + name.size()) {
        return id;
    }
    if (!find(id)) {
        throw Error(ErrorCode::invalid, fmt::format("there is no {} '{}' here", what, name));
    }
    return id;
}

} // namespace

std::optional<FileOwner> find_file_owner(const std::string& name)
{
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return std::nullopt;
    }
    return FileOwner{found->pw_uid, found->pw_gid, true};
}

FileOwner parse_file_owner(const std::string& text)
{
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string user = text.substr(0, colon);
    FileOwner owner;
    owner.is_given = true;
    owner.user = id_of<uid_t>(user, "user", [&](uid_t& id) {
        const auto account = find_file_owner(user);
        id = account ? account->user : 0;
        owner.group = account ? account->group : 0;
        return account.has_value();
    });
    if (colon < text.size()) {
        const std::string group = text.substr(colon + 1);
        owner.group = id_of<gid_t>(group, "group", [&](gid_t& id) {
            std::array<char, 4096> buffer{};
            struct group entry {
            };
            struct group* found = nullptr;
            ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
            id = found != nullptr ? found->gr_gid : 0;
            return found != nullptr;
        });
    }
    return owner;
}

} // namespace backstay::core
