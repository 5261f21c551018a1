#include "base/error.hpp"
#include "postgres/recovery.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

ClusterRecord cluster()
{
    ClusterRecord record;
    record.end = 0x2000100;
    record.log_end = 0x3000000;
    record.ended = parse_time("2026-11-25T14:00:00Z");
    return record;
}

/// Why it is refused; "" if it is not.
std::string refusal(const RecoveryOptions& options)
{
    try {
        check_recovery(options, cluster());
        return "";
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::invalid);
        return error.what();
    }
}

RecoveryOptions with_command()
{
    RecoveryOptions options;
    options.restore_command = "cp /archive/%f %p";
    return options;
}

} // namespace

TEST_CASE("a target before the backup's end is refused, whoever has the log")
{
    RecoveryOptions options = with_command();
    options.log_position = "0/20000FF";
    CHECK(refusal(options).find("0/2000100") != std::string::npos);
    options.log_position = "0/2000100";
    CHECK(refusal(options).empty());
    options = with_command();
    options.time = parse_time("2026-11-25T13:59:59Z");
    CHECK(refusal(options).find("14:00:00") != std::string::npos);
    options.time = parse_time("2026-11-25T14:00:01Z");
    CHECK(refusal(options).empty());
}

TEST_CASE("without a restore command only what the snapshot's own log holds can be reached")
{
    RecoveryOptions options;
    CHECK(refusal(options).empty());
    options.immediate = true;
    CHECK(refusal(options).empty());
    options = {};
    options.log_position = "0/3000000";
    CHECK(refusal(options).empty());
    options.log_position = "0/3000001";
    CHECK(refusal(options).find("0/3000000") != std::string::npos);
    options = {};
    options.name = "before";
    CHECK_FALSE(refusal(options).empty());
    options = {};
    options.transaction = "700";
    CHECK_FALSE(refusal(options).empty());
    options = {};
    options.time = parse_time("2026-11-25T15:00:00Z");
    CHECK_FALSE(refusal(options).empty());
}

TEST_CASE("options of recovery that cannot be read or contradict each other are refused")
{
    RecoveryOptions options = with_command();
    options.name = "a";
    options.immediate = true;
    CHECK(refusal(options).find("one target") != std::string::npos);
    for (const char* wrong : {"1", "x/1", "0/0/0"}) {
        options = with_command();
        options.log_position = wrong;
        CHECK_FALSE(refusal(options).empty());
    }
    for (const char* wrong : {"-1", "x", "1 or 2"}) {
        options = with_command();
        options.transaction = wrong;
        CHECK_FALSE(refusal(options).empty());
        options = with_command();
        options.timeline = wrong;
        CHECK_FALSE(refusal(options).empty());
    }
    options = with_command();
    options.restore_command += "\narchive_mode = on";
    CHECK_FALSE(refusal(options).empty());
    options = with_command();
    options.name = std::string(64, 'n');
    CHECK_FALSE(refusal(options).empty());
}

TEST_CASE("settings are quoted so that a server reads what was meant")
{
    RecoveryOptions options;
    options.restore_command = "cp '/a\\b/%f' %p";
    options.name = "it's";
    const std::string text = recovery_settings(options);
    CHECK(text.find("restore_command = 'cp ''/a\\\\b/%f'' %p'\n") != std::string::npos);
    CHECK(text.find("recovery_target_name = 'it''s'\n") != std::string::npos);
    CHECK(text.find("archive_mode = 'off'\n") != std::string::npos);
    CHECK(text.find("recovery_target_action = 'promote'\n") != std::string::npos);

    options = {};
    options.time = Timestamp{parse_time("2026-11-25T14:03:07Z")->seconds, 5'000};
    options.timeline = "latest";
    options.keep_archiving = true;
    const std::string other = recovery_settings(options);
    CHECK(other.find("recovery_target_time = '2026-11-25 14:03:07.000005+00'\n") !=
          std::string::npos);
    CHECK(other.find("recovery_target_timeline = 'latest'\n") != std::string::npos);
    CHECK(other.find("restore_command = 'false'\n") != std::string::npos);
    CHECK(other.find("archive_mode") == std::string::npos);
}
