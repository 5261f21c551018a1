#pragma once

#include "codec/hash.hpp"
#include "postgres/manifest.hpp"

#include <cstdio>
#include <string>

namespace backstay::core
{

/// Writes a backup manifest (version 2) as a server does, file by file, with its own checksum at
/// the end. One thread at a time.
class ManifestWriter
{
public:
    /// `file` must outlive it. Its methods throw Error if it cannot be written.
    ManifestWriter(std::FILE* file, std::uint64_t system_id);
    void add(const ManifestFile& file);
    /// Only the destructor may follow.
    void finish(const std::vector<Manifest::Range>& log);

private:
    void write(const std::string& text);
    void put(const std::string& text);

    std::FILE* file_;
    Sha256 hash_;
    bool is_first_ = true;
};

} // namespace backstay::core
