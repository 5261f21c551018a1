#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// What a relation's file of pages is, by its path in the archive of the data directory or of a
/// tablespace.
struct RelationFile {
    enum class Fork : std::uint8_t { main, free_space, visibility, initial };
    std::string relation; ///< the path without fork and segment: "base/5/16384"
    Fork fork = Fork::main;
    std::uint32_t segment = 0;
};

/// Empty if the path is of another file.
std::optional<RelationFile> parse_relation_file(std::string_view path);

} // namespace backstay::core
