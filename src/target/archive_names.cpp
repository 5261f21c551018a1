#include "target/archive_names.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <string_view>

namespace backstay::core
{

namespace
{

std::size_t utf8_length(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

std::string escape(std::string_view name)
{
    std::string escaped;
    while (!name.empty()) {
        const std::size_t length = utf8_length(static_cast<unsigned char>(name[0]));
        const std::string_view character = name.substr(0, length);
        if (character.size() == length && is_utf8(character)) {
            escaped += character;
            name.remove_prefix(length);
        } else {
            escaped += fmt::format("%{:02X}", static_cast<unsigned char>(name[0]));
            name.remove_prefix(1);
        }
    }
    return escaped;
}

std::string below(const std::string& folder, const std::string& name)
{
    return folder.empty() ? name : folder + "/" + name;
}

void extend(std::string& path, const std::string& name)
{
    path += path.empty() ? "" : "/";
    path += name;
}

/// The names of a path, first to last.
template <typename Each>
void for_each_name(std::string_view path, Each each)
{
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        each(std::string(path.substr(0, end)));
        path.remove_prefix(std::min(end + 1, path.size()));
    }
}

} // namespace

std::string ArchiveNames::new_name(const std::string& parent, const std::string& new_parent,
                                   const std::string& name) const
{
    const std::string escaped = escape(name);
    std::string free = escaped;
    for (int count = 2;
         originals_.count(below(new_parent, free)) != 0 || exists_(below(parent, free)); ++count) {
        free = fmt::format("{}~{}", escaped, count);
    }
    return free;
}

std::string ArchiveNames::name_for(const std::string& path)
{
    if (is_utf8(path)) {
        return path;
    }
    std::string so_far;
    std::string renamed;
    for_each_name(path, [&](const std::string& name) {
        const std::size_t parent_size = so_far.size();
        extend(so_far, name);
        if (is_utf8(name)) {
            extend(renamed, name);
        } else if (const auto known = renamed_.find(so_far); known != renamed_.end()) {
            renamed = known->second;
        } else {
            extend(renamed, new_name(so_far.substr(0, parent_size), renamed, name));
            renamed_.emplace(so_far, renamed);
            originals_.emplace(renamed, name);
        }
    });
    return renamed;
}

std::string ArchiveNames::path_of(const std::string& archived) const
{
    if (originals_.empty()) {
        return archived;
    }
    std::string so_far;
    std::string path;
    for_each_name(archived, [&](const std::string& name) {
        extend(so_far, name);
        const auto found = originals_.find(so_far);
        extend(path, found == originals_.end() ? name : found->second);
    });
    return path;
}

} // namespace backstay::core
