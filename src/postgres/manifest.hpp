#pragma once

#include "base/bytes.hpp"
#include "postgres/log_position.hpp"

#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// What a server says of one file that it sent.
struct ManifestFile {
    std::string path; ///< below the data directory; of a tablespace "pg_tblspc/OID/…"
    std::uint64_t size = 0;
    std::string modified;                ///< as the server wrote it
    std::optional<std::uint32_t> crc32c; ///< empty: another algorithm, or none
};

/// What else a backup manifest says.
struct Manifest {
    int version = 0;
    std::optional<std::uint64_t> system_id; ///< from version 2 on
    struct Range {
        std::uint32_t timeline = 0;
        LogPosition begin = 0;
        LogPosition end = 0;
    };
    std::vector<Range> log; ///< what recovery needs
};

/// Reads a backup manifest (versions 1 and 2), gives `take` each of its files, and checks its own
/// checksum, in bounded memory. Throws Error{damaged} if it is none or does not fit its checksum.
Manifest read_manifest(std::FILE* file, const std::function<void(const ManifestFile&)>& take);

} // namespace backstay::core
