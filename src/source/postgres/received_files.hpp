#pragma once

#include "postgres/manifest.hpp"

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace backstay::core
{

/// What came of a base backup, to be compared with what the server's manifest says it sent; and
/// what became of the files that are kept otherwise than they came. Paths are the manifest's. One
/// thread at a time.
class ReceivedFiles
{
public:
    void add(const std::string& path, std::uint64_t size, std::uint32_t crc32c);
    /// The file that came under `path` is kept whole: this large, with this sum.
    void add_rebuilt(const std::string& path, std::uint64_t size, std::uint32_t crc32c);

    /// Compares. Throws Error{source}. Requires: all was added; `manifest` is at its beginning or
    /// anywhere.
    Manifest check(std::FILE* manifest);

    /// Writes the manifest that fits the files as they are kept, and goes back to its beginning.
    /// Throws Error{damaged} if the server's is.
    void write_manifest(std::FILE* server_manifest, std::uint64_t system_id, std::FILE* to);

private:
    /// Paths as hashes, for there may be a million.
    struct File {
        std::uint64_t path;
        std::uint64_t size;
        std::uint32_t crc32c;
    };
    static void sort(std::vector<File>& files);
    static const File* find(const std::vector<File>& files, const std::string& path);
    void compare(const ManifestFile& file) const;

    std::vector<File> received_;
    std::vector<File> rebuilt_;
};

} // namespace backstay::core
