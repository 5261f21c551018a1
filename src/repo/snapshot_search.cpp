#include "repo/snapshot_search.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <optional>
#include <string_view>

namespace backstay::core
{

namespace
{

constexpr std::size_t short_id = 8;
constexpr std::size_t most_shown = 5;

bool contains(const std::vector<std::string>& all, std::string_view one)
{
    return std::find(all.begin(), all.end(), one) != all.end();
}

/// All of "a,b".
bool has_tags(const Snapshot& snapshot, std::string_view wanted)
{
    for (;;) {
        const std::size_t comma = wanted.find(',');
        const std::string_view tag = wanted.substr(0, comma);
        if (!tag.empty() && !contains(snapshot.tags, tag)) {
            return false;
        }
        if (comma == std::string_view::npos) {
            return true;
        }
        wanted.remove_prefix(comma + 1);
    }
}

std::string_view without_slash_at_end(std::string_view path)
{
    while (path.size() > 1 && path.ends_with('/')) {
        path.remove_suffix(1);
    }
    return path;
}

bool has_root(const Snapshot& snapshot, std::string_view path)
{
    for (const SnapshotSource& source : snapshot.record.sources) {
        for (const std::string& root : source.roots) {
            if (without_slash_at_end(root) == without_slash_at_end(path)) {
                return true;
            }
        }
    }
    return false;
}

template <typename Values, typename Condition>
bool any_or_none_given(const Values& values, Condition condition)
{
    return values.empty() || std::any_of(values.begin(), values.end(), condition);
}

std::string describe(const Snapshot& snapshot)
{
    return fmt::format("{} ({}, {})", snapshot.record.id.hex().substr(0, short_id),
                       format_time({snapshot.record.time.seconds, 0}), snapshot.record.host);
}

/// The newest first.
std::string describe_newest(const std::vector<const Snapshot*>& snapshots)
{
    std::string text;
    const std::size_t shown = std::min(snapshots.size(), most_shown);
    for (std::size_t i = 0; i < shown; ++i) {
        text += (i > 0 ? ", " : "") + describe(*snapshots[snapshots.size() - 1 - i]);
    }
    return snapshots.size() > shown ? fmt::format("{} and {} older", text, snapshots.size() - shown)
                                    : text;
}

std::vector<const Snapshot*> matching(const SnapshotList& list, const SnapshotFilter& filter)
{
    std::vector<const Snapshot*> found;
    for (const Snapshot& snapshot : list.snapshots) {
        if (filter.matches(snapshot)) {
            found.push_back(&snapshot);
        }
    }
    return found;
}

std::vector<const Snapshot*> everything(const SnapshotList& list)
{
    return matching(list, SnapshotFilter{{}, {}, {}, ""});
}

/// The n of "latest~n", 0 for "latest"; empty for anything else.
std::optional<std::size_t> steps_back(std::string_view name)
{
    constexpr std::string_view latest = "latest";
    if (name == latest) {
        return 0;
    }
    if (!name.starts_with(latest) || name[latest.size()] != '~') {
        return std::nullopt;
    }
    const std::string_view digits = name.substr(latest.size() + 1);
    std::size_t steps = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), steps);
    return error == std::errc{} && end == digits.data() + digits.size() ? std::optional(steps)
                                                                        : std::nullopt;
}

std::string in_words(const UnreadableSnapshot& snapshot)
{
    return fmt::format("snapshot {} cannot be read: {}", snapshot.id.hex().substr(0, short_id),
                       snapshot.why);
}

/// What cannot be read may be the one that is meant, unless it was stored before `found` (null:
/// none was).
void demand_none_unreadable_since(const Snapshot* found, const SnapshotList& list,
                                  const std::string& name)
{
    const auto later = std::find_if(list.unreadable.begin(), list.unreadable.end(),
                                    [found](const UnreadableSnapshot& each) {
                                        return found == nullptr || !(each.stored < found->stored);
                                    });
    if (later != list.unreadable.end()) {
        const auto readable = everything(list);
        throw Error(ErrorCode::damaged,
                    fmt::format("{} may be one that is damaged: {}. Give the id of the snapshot "
                                "that is meant; {}",
                                name, in_words(*later),
                                readable.empty() ? "no other is there"
                                                 : "there are " + describe_newest(readable)),
                    "snapshots/" + later->id.hex());
    }
}

const Snapshot& find_latest(const SnapshotList& list, const std::string& name, std::size_t back,
                            const SnapshotFilter& filter)
{
    const auto candidates = matching(list, filter);
    demand_none_unreadable_since(
        back < candidates.size() ? candidates[candidates.size() - 1 - back] : nullptr, list, name);
    if (candidates.empty()) {
        throw Error(
            ErrorCode::not_found,
            list.snapshots.empty()
                ? "the repository has no snapshot yet"
                : fmt::format(
                      "none of the {} snapshots is of the kind, host, tags and path asked for",
                      list.snapshots.size()),
            name);
    }
    if (back >= candidates.size()) {
        throw Error(ErrorCode::not_found,
                    fmt::format("{} goes back too far: there are {}: {}", name, candidates.size(),
                                describe_newest(candidates)),
                    name);
    }
    return *candidates[candidates.size() - 1 - back];
}

bool is_id_prefix(std::string_view name)
{
    return !name.empty() && name.size() <= 64 &&
           name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string lower_case(std::string_view text)
{
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return lower;
}

/// Those whose ids share the most digits with `prefix`, if they share any; else all.
std::vector<const Snapshot*> nearest(const SnapshotList& list, const std::string& prefix)
{
    std::vector<const Snapshot*> best;
    std::size_t most = 0;
    for (const Snapshot& snapshot : list.snapshots) {
        const std::string id = snapshot.record.id.hex();
        const auto differ = std::mismatch(prefix.begin(), prefix.end(), id.begin()).first;
        const auto shared = static_cast<std::size_t>(differ - prefix.begin());
        if (shared > most) {
            most = shared;
            best.clear();
        }
        if (shared == most) {
            best.push_back(&snapshot);
        }
    }
    return best;
}

const Snapshot& find_by_prefix(const SnapshotList& list, const std::string& prefix)
{
    std::vector<const Snapshot*> found;
    for (const Snapshot& snapshot : list.snapshots) {
        if (snapshot.record.id.hex().starts_with(prefix)) {
            found.push_back(&snapshot);
        }
    }
    const auto unreadable = std::find_if(
        list.unreadable.begin(), list.unreadable.end(),
        [&](const UnreadableSnapshot& each) { return each.id.hex().starts_with(prefix); });
    if (found.empty() && unreadable != list.unreadable.end()) {
        throw Error(ErrorCode::damaged, in_words(*unreadable), "snapshots/" + unreadable->id.hex());
    }
    if (found.empty()) {
        throw Error(ErrorCode::not_found,
                    list.snapshots.empty()
                        ? "the repository has no snapshot yet"
                        : fmt::format("no snapshot's id begins with {}; near are {}", prefix,
                                      describe_newest(nearest(list, prefix))),
                    prefix);
    }
    if (found.size() > 1 || unreadable != list.unreadable.end()) {
        const std::string damaged_too =
            unreadable != list.unreadable.end() ? ", and one that cannot be read" : "";
        throw Error(ErrorCode::invalid,
                    fmt::format("{} is ambiguous: {}{}; give more digits", prefix,
                                describe_newest(found), damaged_too),
                    prefix);
    }
    return *found.front();
}

} // namespace

bool SnapshotFilter::matches(const Snapshot& snapshot) const
{
    return (kind.empty() || snapshot.record.kind == kind) &&
           (hosts.empty() || contains(hosts, snapshot.record.host)) &&
           any_or_none_given(
               tags, [&](const std::string& wanted) { return has_tags(snapshot, wanted); }) &&
           any_or_none_given(paths,
                             [&](const std::string& path) { return has_root(snapshot, path); });
}

const Snapshot& find_snapshot(const SnapshotList& list, const std::string& name,
                              const SnapshotFilter& filter)
{
    if (const auto back = steps_back(name)) {
        return find_latest(list, name, *back, filter);
    }
    const std::string prefix = lower_case(name);
    if (!is_id_prefix(prefix)) {
        throw Error(ErrorCode::not_found,
                    fmt::format("\"{}\" is no snapshot: give an id or the beginning of one, "
                                "latest, or latest~1 for the one before; {}",
                                name,
                                list.snapshots.empty()
                                    ? "the repository has no snapshot yet"
                                    : "there are " + describe_newest(everything(list))),
                    name);
    }
    return find_by_prefix(list, prefix);
}

} // namespace backstay::core
