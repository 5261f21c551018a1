#include "engine/option_forms.hpp"

#include "base/error.hpp"
#include "base/path_pattern.hpp"
#include "base/size_text.hpp"
#include "repo/snapshot_notes.hpp"
#include "source/tree_filter.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

void check_pattern(std::string_view text)
{
    PathPatterns().add(text);
}

void check_tags(std::string_view text)
{
    const std::vector<std::string> tags = split_text(text, ',');
    std::for_each(tags.begin(), tags.end(), check_tag);
}

void check_wanted_tags(std::string_view text)
{
    check_tags(text);
    if (split_text(text, ',').empty()) {
        throw Error(ErrorCode::invalid, "an empty tag would mean every snapshot");
    }
}

void check_changes(std::string_view text)
{
    if (text.find_first_not_of("NMU") != std::string_view::npos) {
        throw Error(ErrorCode::invalid,
                    fmt::format("'{}' is none of the letters N, M and U", text));
    }
}

void check_marker(std::string_view text)
{
    folder_marker(std::string(text));
}

void check_groups(std::string_view text)
{
    groups_of(text);
}

void check_unused_limit(std::string_view text)
{
    PruneOptions unused;
    set_unused_limit(text, unused);
}

std::vector<std::string> groups_of(std::string_view text)
{
    std::vector<std::string> names = split_text(text, ',');
    for (std::string& name : names) {
        if (name == "paths" || name == "hosts" || name == "tags") {
            name.pop_back();
        }
        if (name != "host" && name != "path" && name != "tag") {
            throw Error(ErrorCode::invalid,
                        fmt::format("groups are of host, path and tag, not of '{}'", name));
        }
    }
    return names;
}

void set_unused_limit(std::string_view text, PruneOptions& options)
{
    if (text == "unlimited") {
        options.max_unused_bytes = UINT64_MAX;
        return;
    }
    if (text.ends_with('%')) {
        double percent = 0;
        const char* last = text.data() + text.size() - 1;
        const auto [end, failed] = std::from_chars(text.data(), last, percent);
        if (failed == std::errc() && end == last && percent >= 0 && percent < 100) {
            options.max_unused_fraction = percent / 100;
            return;
        }
    } else if (const auto bytes = parse_size(text); bytes) {
        options.max_unused_bytes = *bytes;
        return;
    }
    throw Error(ErrorCode::invalid,
                fmt::format("'{}' is no size, no percentage below 100% and not 'unlimited'", text));
}

std::vector<std::string> split_text(std::string_view text, char separator)
{
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(separator), text.size());
        if (end > 0) {
            parts.emplace_back(text.substr(0, end));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

} // namespace backstay::core
