#pragma once

#include "postgres/connection.hpp"
#include "postgres/log_position.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace backstay::core
{

/// What a server says of itself over a replication connection.
struct ServerFacts {
    int version = 0; ///< 150018 for 15.18
    std::string version_text;
    std::string system_id;
    std::uint32_t timeline = 0;
    LogPosition position = 0; ///< the end of its log
    std::uint64_t segment_size = 0;
    std::size_t page_size = 0;
    std::uint32_t segment_blocks = 0; ///< of a relation's file
    bool has_checksums = false;
    std::uint32_t folder_mode = 0700; ///< of the data directory
    bool has_synchronous_standbys = false;
    std::vector<std::pair<std::string, std::string>> settings; ///< what a reader may want to know
};

/// Throws Error{unsupported} for versions before 13, Error{source} where its settings rule a
/// physical backup out, and says which one to change.
ServerFacts read_server_facts(PostgresConnection& connection);

/// "16MB", "1GB", "8192": bytes. Throws Error{source}.
std::uint64_t parse_postgres_size(const std::string& text);

} // namespace backstay::core
