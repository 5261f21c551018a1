#include "operation_options.hpp"

#include "base/error.hpp"
#include "engine/option_forms.hpp"
#include "list_file.hpp"

#include <set>

namespace backstay::capi
{

namespace
{

using core::Error;
using core::ErrorCode;
using core::OptionSet;

double seconds_of(const core::Duration& duration)
{
    constexpr double days_a_month = 30.436875; // a Gregorian month on average
    return static_cast<double>(duration.seconds) +
           static_cast<double>(duration.months) * days_a_month * 86400;
}

core::ThawOptions thaw_options(const OptionSet& set)
{
    core::ThawOptions options;
    const std::string how = set.text("thaw");
    options.action = how == "ask"    ? core::ThawOptions::Action::ask
                     : how == "wait" ? core::ThawOptions::Action::wait
                                     : core::ThawOptions::Action::none;
    const std::string tier = set.text("thaw-tier");
    options.wish.tier = tier == "bulk"        ? core::ThawWish::Tier::bulk
                        : tier == "expedited" ? core::ThawWish::Tier::expedited
                                              : core::ThawWish::Tier::standard;
    options.wish.days = static_cast<std::uint32_t>(set.number("thaw-days"));
    options.patience = 3600.0 * static_cast<double>(set.number("thaw-wait"));
    return options;
}

} // namespace

core::SnapshotFilter filter_of(const OptionSet& set)
{
    core::SnapshotFilter filter;
    filter.hosts = set.texts("host");
    filter.tags = set.texts("tag");
    filter.paths = set.texts("path");
    const bool has_kind = set.scope() == "filter" || set.scope() == "snapshots";
    if (has_kind) {
        const std::string kind = set.text("kind");
        filter.kind = kind == "all" ? "" : kind;
    }
    return filter;
}

core::SnapshotChange change_of(const OptionSet& set, const core::Snapshot& snapshot)
{
    core::SnapshotChange change;
    const bool has_set = set.has("set");
    if (has_set && (set.has("add") || set.has("remove"))) {
        throw Error(ErrorCode::invalid, "tags are either set, or added and removed", "set");
    }
    if (set.flag("pin") && set.flag("unpin")) {
        throw Error(ErrorCode::invalid, "a snapshot is either pinned or unpinned", "pin");
    }
    if (has_set || set.has("add") || set.has("remove")) {
        std::set<std::string> tags(snapshot.tags.begin(), snapshot.tags.end());
        if (has_set) {
            tags.clear();
        }
        for (const char* key : {"set", "add"}) {
            for (const std::string& given : set.texts(key)) {
                const std::vector<std::string> each = core::split_text(given, ',');
                tags.insert(each.begin(), each.end());
            }
        }
        for (const std::string& given : set.texts("remove")) {
            for (const std::string& tag : core::split_text(given, ',')) {
                tags.erase(tag);
            }
        }
        change.tags.emplace(tags.begin(), tags.end());
    }
    if (set.flag("pin") || set.flag("unpin")) {
        change.pinned = set.flag("pin");
    }
    if (set.has("comment")) {
        change.comment = set.text("comment");
    }
    if (!change.tags && !change.pinned && !change.comment) {
        throw Error(ErrorCode::invalid,
                    "nothing to change: give tags to add, remove or set, a pin or a comment");
    }
    return change;
}

core::BackupOptions backup_options(const OptionSet& set)
{
    core::BackupOptions options;
    for (const std::string& given : set.texts("tag")) {
        for (std::string& tag : core::split_text(given, ',')) {
            options.tags.push_back(std::move(tag));
        }
    }
    options.host = set.text("host");
    options.time = set.time("time");
    options.comment = set.text("comment");
    options.parent = set.text("parent");
    options.force = set.flag("force");
    options.skip_if_unchanged = set.flag("skip-if-unchanged");
    options.compression = static_cast<int>(set.number("compression"));
    options.dry_run = set.flag("dry-run");
    options.list = set.flag("list");
    options.list_changes = set.text("filter");
    return options;
}

core::RestoreOptions restore_options(const OptionSet& set)
{
    core::RestoreOptions options;
    options.include = set.texts("include");
    for (const std::string& file : set.texts("include-file")) {
        const std::vector<std::string> patterns = lines_of_file(file);
        options.include.insert(options.include.end(), patterns.begin(), patterns.end());
    }
    options.exclude = set.texts("exclude");
    options.strip_components = static_cast<unsigned>(set.number("strip-components"));
    options.verify = set.flag("verify");
    options.dry_run = set.flag("dry-run");
    options.list = set.flag("list");
    options.thaw = thaw_options(set);
    return options;
}

core::SnapshotsOptions snapshots_options(const OptionSet& set)
{
    core::SnapshotsOptions options;
    options.filter = filter_of(set);
    options.latest = static_cast<unsigned>(set.number("latest"));
    options.group_by = core::groups_of(set.text("group-by"));
    return options;
}

core::FindOptions find_options(const OptionSet& set)
{
    core::FindOptions options;
    options.patterns = set.texts("pattern");
    if (options.patterns.empty()) {
        throw Error(ErrorCode::invalid, "give at least one pattern to look for", "pattern");
    }
    options.ignore_case = set.flag("ignore-case");
    options.snapshot = set.text("snapshot");
    options.filter = filter_of(set);
    return options;
}

core::CheckOptions check_options(const OptionSet& set)
{
    core::CheckOptions options;
    if (set.has("read-data")) {
        options.read_data = set.percent("read-data");
    }
    return options;
}

core::PruneOptions prune_options(const OptionSet& set)
{
    core::PruneOptions options;
    core::set_unused_limit(set.text("max-unused"), options);
    options.max_repack_bytes = set.size("max-repack-size");
    options.wait = set.flag("wait");
    options.fence_after =
        seconds_of(set.duration("fence-after").value_or(core::Duration{0, 24 * 3600}));
    options.alone = set.flag("alone");
    options.dry_run = set.flag("dry-run");
    return options;
}

core::ForgetOptions forget_options(const OptionSet& set)
{
    core::ForgetOptions options;
    options.snapshots = set.texts("snapshot");
    options.filter = filter_of(set);
    core::RetentionPolicy& policy = options.policy;
    const auto count = [&set](const char* key) { return static_cast<int>(set.number(key)); };
    policy.last = count("keep-last");
    policy.hourly = count("keep-hourly");
    policy.daily = count("keep-daily");
    policy.weekly = count("keep-weekly");
    policy.monthly = count("keep-monthly");
    policy.quarterly = count("keep-quarterly");
    policy.yearly = count("keep-yearly");
    policy.within = set.duration("keep-within");
    policy.within_hourly = set.duration("keep-within-hourly");
    policy.within_daily = set.duration("keep-within-daily");
    policy.within_weekly = set.duration("keep-within-weekly");
    policy.within_monthly = set.duration("keep-within-monthly");
    policy.within_quarterly = set.duration("keep-within-quarterly");
    policy.within_yearly = set.duration("keep-within-yearly");
    policy.tags = set.texts("keep-tag");
    policy.group_by = core::groups_of(set.text("group-by"));
    if (policy.empty() == options.snapshots.empty()) {
        throw Error(ErrorCode::invalid,
                    policy.empty()
                        ? "say what to keep (keep-last, keep-daily …) or which snapshots to "
                          "forget: nothing was forgotten"
                        : "either name snapshots or give a policy, not both");
    }
    options.dry_run = set.flag("dry-run");
    options.alone = set.flag("alone");
    if (set.flag("prune")) {
        options.prune = prune_options(set);
    }
    return options;
}

core::LogPushOptions wal_push_options(const OptionSet& set)
{
    if (!set.has("path")) {
        throw Error(ErrorCode::invalid, "say which file of the log to store", "path");
    }
    return {set.text("path")};
}

core::LogFetchOptions wal_fetch_options(const OptionSet& set)
{
    if (!set.has("name") || !set.has("to")) {
        throw Error(ErrorCode::invalid, "say which file of the log to fetch, and where to", "name");
    }
    return {set.text("name"), set.text("to"), set.text("system-id"), set.text("spool")};
}

core::LogReceiveOptions wal_receive_options(const OptionSet& set)
{
    return {set.text("conninfo"), set.text("slot"), set.flag("create-slot"), set.flag("skip-gap")};
}

} // namespace backstay::capi
