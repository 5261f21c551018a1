#include "engine/retention.hpp"

#include "engine/listing.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <set>

namespace backstay::core
{

namespace
{

constexpr std::int64_t seconds_a_day = 86400;
constexpr std::int64_t clock_tolerance = seconds_a_day;

enum class Period { hour, day, week, month, quarter, year };

/// The UTC period a time lies in, as a text that is equal for equal periods.
std::string bucket(Timestamp time, Period period)
{
    const std::string text = format_time({time.seconds, 0}); // 2026-11-25T14:03:07Z
    const std::size_t year_end = text.find('-', 1);
    switch (period) {
    case Period::hour:
        return text.substr(0, year_end + 9);
    case Period::day:
        return text.substr(0, year_end + 6);
    case Period::week: {
        // Days since 1970-01-05, a Monday, by floor.
        const std::int64_t days =
            time.seconds / seconds_a_day - (time.seconds % seconds_a_day < 0 ? 1 : 0) - 4;
        return std::to_string(days / 7 - (days % 7 < 0 ? 1 : 0));
    }
    case Period::month:
        return text.substr(0, year_end + 3);
    case Period::quarter: {
        const int month = std::stoi(text.substr(year_end + 1, 2));
        return fmt::format("{}Q{}", text.substr(0, year_end), (month - 1) / 3 + 1);
    }
    case Period::year:
        return text.substr(0, year_end);
    }
    return {};
}

/// One rule that keeps the newest of each period: a number of them, or all within a time.
struct Rule {
    Period period;
    const char* name;
    int count;
    std::optional<Duration> within;
};

std::vector<Rule> rules_of(const RetentionPolicy& policy)
{
    return {{Period::hour, "hourly", policy.hourly, policy.within_hourly},
            {Period::day, "daily", policy.daily, policy.within_daily},
            {Period::week, "weekly", policy.weekly, policy.within_weekly},
            {Period::month, "monthly", policy.monthly, policy.within_monthly},
            {Period::quarter, "quarterly", policy.quarterly, policy.within_quarterly},
            {Period::year, "yearly", policy.yearly, policy.within_yearly}};
}

bool has_all_tags(const Snapshot& snapshot, const std::string& wanted)
{
    SnapshotFilter filter;
    filter.tags = {wanted};
    filter.kind = "";
    return filter.matches(snapshot);
}

bool is_still_to_come(const Snapshot& snapshot, Timestamp now)
{
    return snapshot.record.time.seconds > now.seconds + clock_tolerance;
}

/// Why a snapshot's time cannot be believed; empty if it can.
std::string distrust(const Snapshot& snapshot, const std::map<SessionId, const Snapshot*>& by_id,
                     Timestamp now)
{
    if (is_still_to_come(snapshot, now)) {
        return "claims a time that is still to come";
    }
    const auto predecessor = by_id.find(snapshot.record.predecessor);
    if (predecessor != by_id.end() && snapshot.record.time < predecessor->second->record.time) {
        return "claims a time before its predecessor's";
    }
    return {};
}

/// The snapshots of one group and signer, newest first, and what is decided about them.
class Group
{
public:
    explicit Group(const std::vector<Snapshot>& snapshots) : snapshots_(snapshots) {}

    void add(RetentionDecision& decision) { members_.push_back(&decision); }

    void decide(const RetentionPolicy& policy)
    {
        // They come oldest first, those of one moment by their counter.
        std::reverse(members_.begin(), members_.end());
        std::stable_sort(members_.begin(), members_.end(), [this](const auto* a, const auto* b) {
            return time_of(*b) < time_of(*a);
        });
        keep_last(policy.last);
        for (const Rule& rule : rules_of(policy)) {
            keep_periods(rule);
            keep_within_periods(rule);
        }
        keep_within(policy.within);
    }

private:
    Timestamp time_of(const RetentionDecision& decision) const
    {
        return snapshots_[decision.snapshot].record.time;
    }

    static void keep(RetentionDecision& decision, std::string reason)
    {
        decision.keep = true;
        decision.reasons.push_back(std::move(reason));
    }

    void keep_last(int count)
    {
        for (RetentionDecision* member : members_) {
            if (count == 0) {
                return;
            }
            keep(*member, "last");
            count -= count > 0 ? 1 : 0;
        }
    }

    void keep_periods(const Rule& rule)
    {
        int left = rule.count;
        std::string before;
        for (RetentionDecision* member : members_) {
            const std::string now = bucket(time_of(*member), rule.period);
            if (left == 0) {
                return;
            }
            if (now != before) {
                keep(*member, rule.name);
                left -= left > 0 ? 1 : 0;
            }
            before = now;
        }
    }

    void keep_within_periods(const Rule& rule)
    {
        if (!rule.within || members_.empty()) {
            return;
        }
        const Timestamp oldest = core::before(time_of(*members_.front()), *rule.within);
        std::string before;
        for (RetentionDecision* member : members_) {
            const std::string now = bucket(time_of(*member), rule.period);
            if (now != before && !(time_of(*member) < oldest)) {
                keep(*member,
                     fmt::format("{} within {}", rule.name, format_duration(*rule.within)));
            }
            before = now;
        }
    }

    void keep_within(const std::optional<Duration>& within)
    {
        if (!within || members_.empty()) {
            return;
        }
        const Timestamp oldest = core::before(time_of(*members_.front()), *within);
        for (RetentionDecision* member : members_) {
            if (!(time_of(*member) < oldest)) {
                keep(*member, fmt::format("within {}", format_duration(*within)));
            }
        }
    }

    const std::vector<Snapshot>& snapshots_;
    std::vector<RetentionDecision*> members_;
};

} // namespace

std::string notice_about(const std::string& name, const Snapshot& found, Timestamp now)
{
    if (!name.starts_with("latest") || !is_still_to_come(found, now)) {
        return {};
    }
    return fmt::format(
        "{} is snapshot {}, which claims a time that is still to come ({}): the clock "
        "of {} was ahead, and what was saved since counts as older. Name another by "
        "its id, or forget this one",
        name, found.record.id.hex().substr(0, 12), format_time({found.record.time.seconds, 0}),
        found.record.host);
}

bool RetentionPolicy::empty() const
{
    const bool no_count = last == 0 && hourly == 0 && daily == 0 && weekly == 0 && monthly == 0 &&
                          quarterly == 0 && yearly == 0;
    const bool no_time = !within && !within_hourly && !within_daily && !within_weekly &&
                         !within_monthly && !within_quarterly && !within_yearly;
    return no_count && no_time && tags.empty();
}

std::vector<RetentionDecision> decide_retention(const std::vector<Snapshot>& snapshots,
                                                const RetentionPolicy& policy, Timestamp now)
{
    std::map<SessionId, const Snapshot*> by_id;
    for (const Snapshot& snapshot : snapshots) {
        by_id[snapshot.record.id] = &snapshot;
    }
    std::vector<RetentionDecision> decisions(snapshots.size());
    std::map<std::pair<std::string, SlotId>, Group> groups;
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
        RetentionDecision& decision = decisions[i];
        decision.snapshot = i;
        decision.group = snapshot_group(snapshots[i], policy.group_by);
        if (std::string reason = distrust(snapshots[i], by_id, now); !reason.empty()) {
            decision.keep = true;
            decision.reasons.push_back(std::move(reason));
            continue; // it displaces no other
        }
        groups.try_emplace({decision.group, snapshots[i].signer}, snapshots)
            .first->second.add(decision);
    }
    for (auto& [name, group] : groups) {
        group.decide(policy);
    }
    for (RetentionDecision& decision : decisions) {
        const Snapshot& snapshot = snapshots[decision.snapshot];
        for (const std::string& tags : policy.tags) {
            if (has_all_tags(snapshot, tags)) {
                decision.keep = true;
                decision.reasons.push_back("tag " + tags);
            }
        }
        if (snapshot.pinned) {
            decision.keep = true;
            decision.reasons.emplace_back("pinned");
        }
    }
    return decisions;
}

} // namespace backstay::core
