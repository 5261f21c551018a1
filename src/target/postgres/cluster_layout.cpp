#include "target/postgres/cluster_layout.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

/// In-place tablespaces lie within the data directory.
bool is_elsewhere(const ClusterRecord::Tablespace& space)
{
    return space.location.front() == '/';
}

std::string locations_text(const ClusterRecord& cluster)
{
    std::string text;
    for (const ClusterRecord::Tablespace& space : cluster.tablespaces) {
        text += (text.empty() ? ": it has " : ", ") + space.location;
    }
    return text;
}

} // namespace

std::pair<std::string, std::string> parse_tablespace_mapping(const std::string& text)
{
    std::string from;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '=') {
            from += '=';
            ++i;
        } else if (text[i] == '=') {
            if (from.empty() || i + 1 == text.size()) {
                break;
            }
            return {from, text.substr(i + 1)};
        } else {
            from += text[i];
        }
    }
    throw Error(ErrorCode::invalid,
                "a mapping of a tablespace has the form OLD=NEW ('\\=' for a '=' in OLD)", text);
}

ClusterLayout::ClusterLayout(const std::string& directory, const ClusterRecord& cluster,
                             const TablespaceMapping& mapping)
    : data_(directory)
{
    TablespaceMapping wanted = mapping;
    for (const ClusterRecord::Tablespace& space : cluster.tablespaces) {
        if (!is_elsewhere(space)) {
            continue;
        }
        const auto chosen = std::find_if(wanted.begin(), wanted.end(), [&space](const auto& pair) {
            return pair.first == space.location;
        });
        std::string to = chosen != wanted.end() ? chosen->second : space.location;
        if (chosen != wanted.end()) {
            wanted.erase(chosen);
        }
        if (to.empty() || to.front() != '/') {
            throw Error(ErrorCode::invalid, "a tablespace goes to an absolute path", to);
        }
        for (const auto& [oid, folder] : spaces_) {
            if (folder->path() == to) {
                throw Error(ErrorCode::invalid, "two tablespaces cannot share a folder", to);
            }
        }
        spaces_[space.oid] = std::make_unique<ClusterFolder>(std::move(to));
    }
    if (!wanted.empty()) {
        throw Error(ErrorCode::invalid, fmt::format("the backup has no tablespace at '{}'{}",
                                                    wanted.front().first, locations_text(cluster)));
    }
}

std::optional<ClusterLayout::Place> ClusterLayout::place_of(const std::string& path) const
{
    if (path == "backup_manifest") {
        return Place{&data_, path, false};
    }
    if (path == "data/recovery.signal" || path == "data/standby.signal") {
        return std::nullopt; // a copy recovers as it is told, and is no standby of that primary
    }
    if (path.starts_with("data/")) {
        return Place{&data_, path.substr(5), false};
    }
    if (path.starts_with("wal/")) {
        return Place{&data_, "pg_" + path, true};
    }
    if (path.starts_with("tablespaces/")) {
        return place_in_tablespace(path.substr(12));
    }
    return std::nullopt;
}

std::optional<ClusterLayout::Place>
ClusterLayout::place_in_tablespace(const std::string& path) const
{
    std::uint32_t oid = 0;
    const auto [end, failed] = std::from_chars(path.data(), path.data() + path.size(), oid);
    const auto length = static_cast<std::size_t>(end - path.data());
    if (failed != std::errc() || length + 1 >= path.size() || path[length] != '/') {
        return std::nullopt;
    }
    if (const auto found = spaces_.find(oid); found != spaces_.end()) {
        return Place{found->second.get(), path.substr(length + 1), false};
    }
    return Place{&data_, "pg_tblspc/" + path, false};
}

bool ClusterLayout::is_data(const Place& place, const char* path) const
{
    return place.folder == &data_ && place.path == path;
}

} // namespace backstay::core
