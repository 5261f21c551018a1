#include "postgres/relation_file.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::pair<std::string_view, RelationFile::Fork> forks[] = {
    {"_fsm", RelationFile::Fork::free_space},
    {"_vm", RelationFile::Fork::visibility},
    {"_init", RelationFile::Fork::initial},
};

bool is_number(std::string_view text)
{
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// "base/5", "global", "PG_15_202209061/5".
bool holds_relations(std::string_view folder)
{
    if (folder == "global") {
        return true;
    }
    const std::size_t slash = folder.find('/');
    if (slash == std::string_view::npos || !is_number(folder.substr(slash + 1))) {
        return false;
    }
    const std::string_view parent = folder.substr(0, slash);
    return parent == "base" || parent.starts_with("PG_");
}

} // namespace

std::optional<RelationFile> parse_relation_file(std::string_view path)
{
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos || !holds_relations(path.substr(0, slash))) {
        return std::nullopt;
    }
    RelationFile file;
    std::string_view name = path.substr(slash + 1);
    if (const std::size_t dot = name.find('.'); dot != std::string_view::npos) {
        const std::string_view digits = name.substr(dot + 1);
        const auto [end, failed] =
            std::from_chars(digits.data(), digits.data() + digits.size(), file.segment);
        if (!is_number(digits) || failed != std::errc()) {
            return std::nullopt;
        }
        name = name.substr(0, dot);
    }
    for (const auto& [suffix, fork] : forks) {
        if (name.ends_with(suffix)) {
            name.remove_suffix(suffix.size());
            file.fork = fork;
            break;
        }
    }
    if (!is_number(name)) {
        return std::nullopt;
    }
    file.relation = path.substr(0, slash + 1 + name.size());
    return file;
}

} // namespace backstay::core
