#include "postgres/recovery.hpp"
#include "postgres/sql_text.hpp"

#include "base/error.hpp"
#include "postgres/connection.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t longest_name = 63; ///< of a restore point: the server's MAXFNAMELEN - 1

bool is_number(const std::string& text)
{
    return !text.empty() && text.size() <= 20 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void check_readable(const RecoveryOptions& options)
{
    const int targets = static_cast<int>(options.time.has_value()) +
                        static_cast<int>(!options.log_position.empty()) +
                        static_cast<int>(!options.transaction.empty()) +
                        static_cast<int>(!options.name.empty()) +
                        static_cast<int>(options.immediate);
    if (targets > 1) {
        throw Error(
            ErrorCode::invalid,
            "recovery has one target: give a time, a place in the log, a transaction, a name "
            "or immediate, not several");
    }
    if (!options.log_position.empty() && !parse_log_position(options.log_position)) {
        throw Error(ErrorCode::invalid, "this is no place in the log: give one as in 16/B374D848",
                    options.log_position);
    }
    if (!options.transaction.empty() && !is_number(options.transaction)) {
        throw Error(ErrorCode::invalid, "a transaction is a number", options.transaction);
    }
    if (options.name.size() > longest_name) {
        throw Error(ErrorCode::invalid, "the name of a restore point has 63 characters at most",
                    options.name);
    }
    const std::string& timeline = options.timeline;
    if (!timeline.empty() && timeline != "latest" && timeline != "current" &&
        !is_number(timeline)) {
        throw Error(ErrorCode::invalid, "a timeline is a number, 'latest' or 'current'", timeline);
    }
    const std::string texts = options.name + options.restore_command;
    if (texts.find_first_of(std::string("\n\r\0", 3)) != std::string::npos) {
        throw Error(ErrorCode::invalid, "settings of a server stand on one line each");
    }
}

void check_time(Timestamp time, const ClusterRecord& cluster)
{
    if (cluster.ended && time < *cluster.ended) {
        throw Error(ErrorCode::invalid,
                    fmt::format("this backup ended at {}, so it cannot give the cluster as it was "
                                "at {}: take an earlier one, or a later time",
                                format_time(*cluster.ended), format_time(time)));
    }
}

void check_position(LogPosition position, const RecoveryOptions& options,
                    const ClusterRecord& cluster)
{
    if (position < cluster.end) {
        throw Error(ErrorCode::invalid,
                    fmt::format("this backup is consistent from {} on: {} cannot be reached; take "
                                "an earlier one, or a later place",
                                format_log_position(cluster.end), format_log_position(position)));
    }
    if (options.restore_command.empty() && position > cluster.log_end) {
        throw Error(ErrorCode::invalid,
                    fmt::format("this snapshot has the log up to {}: {} cannot be reached without "
                                "a restore command that gets the rest",
                                format_log_position(cluster.log_end),
                                format_log_position(position)));
    }
}

std::string setting(const char* name, const std::string& value)
{
    std::string quoted = postgres_literal(value);
    std::string escaped;
    for (const char c : quoted) {
        escaped += c;
        if (c == '\\') {
            escaped += '\\';
        }
    }
    return fmt::format("{} = {}\n", name, escaped);
}

/// In UTC, as the server reads it whatever its own zone and date style are.
std::string server_time_text(Timestamp time)
{
    std::string text = format_time({time.seconds, 0});
    std::replace(text.begin(), text.end(), 'T', ' ');
    text.pop_back();
    return fmt::format("{}.{:06}+00", text, time.nanoseconds / 1000);
}

} // namespace

void check_recovery(const RecoveryOptions& options, const ClusterRecord& cluster)
{
    check_readable(options);
    if (options.time) {
        check_time(*options.time, cluster);
    }
    if (!options.log_position.empty()) {
        check_position(*parse_log_position(options.log_position), options, cluster);
    }
    const bool needs_more_log =
        options.time || !options.transaction.empty() || !options.name.empty();
    if (needs_more_log && options.restore_command.empty()) {
        throw Error(ErrorCode::invalid,
                    fmt::format("this snapshot has the log up to {} only, where the backup ended: "
                                "what came later needs a restore command that gets the log, such "
                                "as 'cp /archive/%f %p'; without one, immediate or the end of the "
                                "backup can be reached",
                                format_log_position(cluster.log_end)));
    }
}

std::string recovery_settings(const RecoveryOptions& options)
{
    std::string text = "# Written by a restore of backstay: how the cluster recovers.\n";
    // Recovery asks for a command; one that fails means that there is no more.
    text += setting("restore_command",
                    options.restore_command.empty() ? "false" : options.restore_command);
    if (options.time) {
        text += setting("recovery_target_time", server_time_text(*options.time));
    } else if (!options.log_position.empty()) {
        text += setting("recovery_target_lsn", options.log_position);
    } else if (!options.transaction.empty()) {
        text += setting("recovery_target_xid", options.transaction);
    } else if (!options.name.empty()) {
        text += setting("recovery_target_name", options.name);
    } else if (options.immediate) {
        text += setting("recovery_target", "immediate");
    }
    text += setting("recovery_target_action", "promote");
    if (!options.timeline.empty()) {
        text += setting("recovery_target_timeline", options.timeline);
    }
    if (!options.keep_archiving) {
        text += setting("archive_mode", "off");
    }
    return text;
}

} // namespace backstay::core
