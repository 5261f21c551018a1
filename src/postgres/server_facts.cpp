#include "postgres/server_facts.hpp"

#include "base/error.hpp"

#include <bit>
#include <charconv>
#include <fmt/core.h>
#include <optional>

namespace backstay::core
{

namespace
{

constexpr int oldest_version = 130000;

// Told in the snapshot: what a restored server must be started with, where its files were, and
// what may have ended a backup.
constexpr const char* told_settings[] = {
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
    "wal_level",
    "data_directory",
    "config_file",
    "hba_file",
    "ident_file",
    "shared_preload_libraries",
    "archive_mode",
    "full_page_writes",
    "max_slot_wal_keep_size",
    "summarize_wal",
};

/// Empty where the server has no such setting, or does not tell us.
std::optional<std::string> show(PostgresConnection& connection, const std::string& name)
{
    try {
        return connection.value("SHOW " + name);
    } catch (const Error& error) {
        const bool is_refusal =
            connection.sqlstate() == "42704" || connection.sqlstate() == "42501";
        if (error.code() == ErrorCode::cancelled || !is_refusal) {
            throw;
        }
        return std::nullopt;
    }
}

template <typename Number>
Number number_in(std::string_view text, int base, const char* what)
{
    Number value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (failed != std::errc() || end != text.data() + text.size()) {
        throw Error(ErrorCode::source, fmt::format("the server gave '{}' as {}", text, what));
    }
    return value;
}

void identify(PostgresConnection& connection, ServerFacts& facts)
{
    const PostgresRows rows = connection.query("IDENTIFY_SYSTEM");
    facts.system_id = rows.text(0, 0);
    facts.timeline = number_in<std::uint32_t>(rows.text(0, 1), 10, "its timeline");
    facts.position = parse_log_position(rows.text(0, 2)).value_or(0);
}

void demand_possible(const PostgresConnection& connection, const ServerFacts& facts)
{
    const std::string name = connection.server_name();
    for (const auto& [setting, value] : facts.settings) {
        if (setting == "wal_level" && value == "minimal") {
            throw Error(ErrorCode::source,
                        "wal_level is minimal: a physical backup needs replica or logical", name);
        }
    }
    const bool possible = is_log_segment_size(facts.segment_size) && facts.page_size >= 1024 &&
                          facts.page_size <= 32768 && std::has_single_bit(facts.page_size);
    if (!possible) {
        throw Error(ErrorCode::source, "the server's block or segment size is impossible", name);
    }
}

} // namespace

std::uint64_t parse_postgres_size(const std::string& text)
{
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number =
        number_in<std::uint32_t>(std::string_view(text).substr(0, digits), 10, "a size");
    const std::string unit = text.substr(digits);
    const std::uint64_t factor = unit.empty() || unit == "B" ? 1
                                 : unit == "kB"              ? KiB
                                 : unit == "MB"              ? MiB
                                 : unit == "GB"              ? GiB
                                 : unit == "TB"              ? 1024 * GiB
                                                             : 0;
    if (factor == 0) {
        throw Error(ErrorCode::source, fmt::format("the server gave '{}' as a size", text));
    }
    return number * factor;
}

ServerFacts read_server_facts(PostgresConnection& connection)
{
    ServerFacts facts;
    facts.version = connection.server_version();
    facts.version_text = connection.parameter("server_version");
    if (facts.version < oldest_version) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("this is PostgreSQL {}: physical backups need 13 or later",
                                facts.version_text),
                    connection.server_name());
    }
    identify(connection, facts);
    facts.segment_size = parse_postgres_size(connection.value("SHOW wal_segment_size"));
    facts.page_size = parse_postgres_size(connection.value("SHOW block_size"));
    facts.has_checksums = connection.value("SHOW data_checksums") == "on";
    facts.folder_mode = number_in<std::uint32_t>(
        show(connection, "data_directory_mode").value_or("0700"), 8, "a mode");
    facts.has_synchronous_standbys =
        !show(connection, "synchronous_standby_names").value_or("").empty();
    for (const char* name : told_settings) {
        if (std::optional<std::string> value = show(connection, name); value) {
            facts.settings.emplace_back(name, std::move(*value));
        }
    }
    demand_possible(connection, facts);
    facts.segment_blocks = static_cast<std::uint32_t>(
        parse_postgres_size(connection.value("SHOW segment_size")) / facts.page_size);
    return facts;
}

} // namespace backstay::core
