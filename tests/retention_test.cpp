#include "engine/retention.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

SessionId id_of(std::size_t number)
{
    SessionId id{};
    Bytes bytes(sizeof id, 0);
    bytes.front() = static_cast<std::uint8_t>(number + 1);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(&id));
    return id;
}

/// As they are listed: oldest first.
std::vector<Snapshot> taken_at(const std::vector<const char*>& times)
{
    std::vector<Snapshot> snapshots;
    for (const char* text : times) {
        const std::optional<Timestamp> time = parse_time(text);
        REQUIRE_MESSAGE(time, text);
        Snapshot snapshot;
        snapshot.record.id = id_of(snapshots.size());
        snapshot.record.time = *time;
        snapshot.record.host = "here";
        snapshots.push_back(std::move(snapshot));
    }
    return snapshots;
}

Timestamp long_after()
{
    return parse_time("2100-01-01T00:00:00Z").value();
}

/// Kept ones as "index: reason, reason", in the order of the list.
std::vector<std::string> kept(const std::vector<Snapshot>& snapshots, const RetentionPolicy& policy,
                              Timestamp now = long_after())
{
    std::vector<std::string> lines;
    for (const RetentionDecision& decision : decide_retention(snapshots, policy, now)) {
        CHECK(decision.keep == !decision.reasons.empty());
        if (!decision.keep) {
            continue;
        }
        std::string line = std::to_string(decision.snapshot) + ":";
        for (const std::string& reason : decision.reasons) {
            line += (line.ends_with(':') ? " " : ", ") + reason;
        }
        lines.push_back(line);
    }
    return lines;
}

using Lines = std::vector<std::string>;

RetentionPolicy policy(int RetentionPolicy::*rule, int count)
{
    RetentionPolicy made;
    made.*rule = count;
    return made;
}

RetentionPolicy policy(std::optional<Duration> RetentionPolicy::*rule, const char* within)
{
    RetentionPolicy made;
    made.*rule = parse_duration(within);
    REQUIRE(made.*rule);
    return made;
}

} // namespace

TEST_CASE("keep-last keeps the newest, of one moment the later in the list")
{
    const auto all = taken_at({"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z",
                               "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z"});
    CHECK(kept(all, policy(&RetentionPolicy::last, 1)) == Lines{"3: last"});
    CHECK(kept(all, policy(&RetentionPolicy::last, 2)) == Lines{"2: last", "3: last"});
    CHECK(kept(all, policy(&RetentionPolicy::last, 9)).size() == 4);
    CHECK(kept(all, policy(&RetentionPolicy::last, -1)).size() == 4);
}

TEST_CASE("of each period that has snapshots the newest is kept, for so many periods")
{
    const auto all = taken_at({
        "2024-12-31T23:59:59Z", // 0
        "2025-01-01T00:00:00Z", // 1
        "2025-06-30T12:00:00Z", // 2
        "2025-07-01T12:00:00Z", // 3
        "2026-03-29T00:30:00Z", // 4: a Sunday
        "2026-03-29T23:59:59Z", // 5
        "2026-03-30T00:00:00Z", // 6: a Monday
        "2026-03-30T00:59:59Z", // 7
        "2026-03-30T01:00:00Z", // 8
    });
    CHECK(kept(all, policy(&RetentionPolicy::hourly, 3)) ==
          Lines{"5: hourly", "7: hourly", "8: hourly"});
    CHECK(kept(all, policy(&RetentionPolicy::daily, 2)) == Lines{"5: daily", "8: daily"});
    CHECK(kept(all, policy(&RetentionPolicy::weekly, 3)) ==
          Lines{"3: weekly", "5: weekly", "8: weekly"});
    CHECK(kept(all, policy(&RetentionPolicy::monthly, 3)) ==
          Lines{"2: monthly", "3: monthly", "8: monthly"});
    CHECK(kept(all, policy(&RetentionPolicy::quarterly, 3)) ==
          Lines{"2: quarterly", "3: quarterly", "8: quarterly"});
    CHECK(kept(all, policy(&RetentionPolicy::yearly, 2)) == Lines{"3: yearly", "8: yearly"});
    CHECK(kept(all, policy(&RetentionPolicy::yearly, -1)) ==
          Lines{"0: yearly", "3: yearly", "8: yearly"});
}

TEST_CASE("weeks begin on Monday across the turn of a year and before 1970")
{
    const auto all = taken_at({
        "1969-12-28T12:00:00Z", // 0: Sunday
        "1969-12-29T00:00:00Z", // 1: Monday
        "1970-01-04T23:59:59Z", // 2: Sunday of that week
        "1970-01-05T00:00:00Z", // 3: Monday
        "2026-12-28T00:00:00Z", // 4: Monday
        "2027-01-03T23:00:00Z", // 5: Sunday of that week
        "2027-01-04T00:00:00Z", // 6: Monday
    });
    CHECK(kept(all, policy(&RetentionPolicy::weekly, -1)) ==
          Lines{"0: weekly", "2: weekly", "3: weekly", "5: weekly", "6: weekly"});
}

TEST_CASE("days are those of UTC, whatever the machine's zone and its summer time")
{
    const char* before = std::getenv("TZ");
    const std::string kept_zone = before != nullptr ? before : "";
    ::setenv("TZ", "Europe/Berlin", 1);
    ::tzset();
    // The night in which clocks go forward, and the one in which they go back.
    const auto all =
        taken_at({"2026-03-28T23:30:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z",
                  "2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"});
    const Lines daily = kept(all, policy(&RetentionPolicy::daily, -1));
    const Lines hourly = kept(all, policy(&RetentionPolicy::hourly, -1));
    before != nullptr ? ::setenv("TZ", kept_zone.c_str(), 1) : ::unsetenv("TZ");
    ::tzset();
    CHECK(daily == Lines{"0: daily", "2: daily", "3: daily", "5: daily"});
    CHECK(hourly.size() == 6);
}

TEST_CASE("keep-within counts back from the newest, its end included")
{
    const auto all = taken_at({"2026-01-01T11:59:59Z", "2026-01-01T12:00:00Z",
                               "2026-01-01T12:00:01Z", "2026-01-02T12:00:00Z"});
    CHECK(kept(all, policy(&RetentionPolicy::within, "1d")) ==
          Lines{"1: within 1d", "2: within 1d", "3: within 1d"});
    CHECK(kept(all, policy(&RetentionPolicy::within, "1s")) == Lines{"3: within 1s"});
}

TEST_CASE("months before a day that a month does not have end with that month")
{
    const auto all =
        taken_at({"2026-02-27T12:00:00Z", "2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"});
    CHECK(kept(all, policy(&RetentionPolicy::within, "1mo")) ==
          Lines{"1: within 1mo", "2: within 1mo"});
}

TEST_CASE("keep-within of a period keeps the newest of each that lies within")
{
    const auto all = taken_at({
        "2026-01-01T10:00:00Z", // 0
        "2026-01-10T09:00:00Z", // 1
        "2026-01-10T10:00:00Z", // 2
        "2026-01-10T10:30:00Z", // 3
        "2026-01-11T10:00:00Z", // 4
    });
    CHECK(kept(all, policy(&RetentionPolicy::within_hourly, "1d")) ==
          Lines{"3: hourly within 1d", "4: hourly within 1d"});
    CHECK(kept(all, policy(&RetentionPolicy::within_daily, "2d")) ==
          Lines{"3: daily within 2d", "4: daily within 2d"});
    CHECK(kept(all, policy(&RetentionPolicy::within_weekly, "1y")) ==
          Lines{"0: weekly within 1y", "4: weekly within 1y"});
    CHECK(kept(all, policy(&RetentionPolicy::within_monthly, "1y")) ==
          Lines{"4: monthly within 1y"});
    CHECK(kept(all, policy(&RetentionPolicy::within_quarterly, "1y")) ==
          Lines{"4: quarterly within 1y"});
    CHECK(kept(all, policy(&RetentionPolicy::within_yearly, "1y")) == Lines{"4: yearly within 1y"});
}

TEST_CASE("rules add up, and every reason is told")
{
    auto all = taken_at({"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"});
    all[0].tags = {"a", "b"};
    all[1].pinned = true;
    RetentionPolicy made;
    made.last = 1;
    made.daily = 2;
    made.monthly = 1;
    made.within = parse_duration("1s");
    made.tags = {"a,b", "c"};
    CHECK(kept(all, made) ==
          Lines{"0: tag a,b", "1: daily, pinned", "2: last, daily, monthly, within 1s"});
    made.tags = {"a,c"};
    CHECK(kept(all, made).size() == 2);
}

TEST_CASE("an empty policy keeps nothing but what is pinned or cannot be believed")
{
    auto all = taken_at({"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2099-01-03T00:00:00Z"});
    all[0].pinned = true;
    CHECK(RetentionPolicy().empty());
    CHECK_FALSE(policy(&RetentionPolicy::within_yearly, "1d").empty());
    CHECK(kept(all, {}, parse_time("2026-02-01T00:00:00Z").value()) ==
          Lines{"0: pinned", "2: claims a time that is still to come"});
}

TEST_CASE("each group and each signer has a policy of its own")
{
    auto all = taken_at({"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"});
    all[0].record.host = "there";
    const RetentionPolicy one = policy(&RetentionPolicy::last, 1);
    CHECK(kept(all, one) == Lines{"0: last", "2: last"});
    RetentionPolicy together = one;
    together.group_by = {};
    CHECK(kept(all, together) == Lines{"2: last"});
    auto bytes = reinterpret_cast<std::uint8_t*>(&all[1].signer);
    *bytes ^= 1;
    CHECK(kept(all, one).size() == 3);
}

TEST_CASE("a snapshot whose time cannot be believed neither goes nor displaces another")
{
    const Timestamp now = parse_time("2026-02-01T00:00:00Z").value();
    auto all = taken_at({"2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z", "2026-02-01T23:59:59Z",
                         "2026-02-02T00:00:01Z"});
    CHECK(kept(all, policy(&RetentionPolicy::last, 1), now) ==
          Lines{"2: last", "3: claims a time that is still to come"});
    // Before the one that it came after.
    all[0].record.predecessor = all[1].record.id;
    CHECK(kept(all, policy(&RetentionPolicy::last, 2), now) ==
          Lines{"0: claims a time before its predecessor's", "1: last", "2: last",
                "3: claims a time that is still to come"});
    CHECK(kept(all, policy(&RetentionPolicy::within, "1y"), now).size() == 4);
}
