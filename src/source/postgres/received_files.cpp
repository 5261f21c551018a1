#include "source/postgres/received_files.hpp"

#include "base/error.hpp"
#include "postgres/incremental_file.hpp"
#include "postgres/manifest_writer.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

std::uint64_t hash_of(const std::string& path)
{
    return std::hash<std::string>()(path);
}

} // namespace

void ReceivedFiles::add(const std::string& path, std::uint64_t size, std::uint32_t crc32c)
{
    received_.push_back({hash_of(path), size, crc32c});
}

void ReceivedFiles::add_rebuilt(const std::string& path, std::uint64_t size, std::uint32_t crc32c)
{
    rebuilt_.push_back({hash_of(path), size, crc32c});
}

void ReceivedFiles::sort(std::vector<File>& files)
{
    std::sort(files.begin(), files.end(),
              [](const File& a, const File& b) { return a.path < b.path; });
}

/// Requires: sorted.
const ReceivedFiles::File* ReceivedFiles::find(const std::vector<File>& files,
                                               const std::string& path)
{
    const std::uint64_t hash = hash_of(path);
    const auto found =
        std::lower_bound(files.begin(), files.end(), hash,
                         [](const File& file, std::uint64_t wanted) { return file.path < wanted; });
    return found != files.end() && found->path == hash ? &*found : nullptr;
}

void ReceivedFiles::compare(const ManifestFile& file) const
{
    const File* found = find(received_, file.path);
    if (found == nullptr) {
        throw Error(ErrorCode::source, "the server's manifest names a file that did not come",
                    file.path);
    }
    const bool fits = found->size == file.size && (!file.crc32c || *file.crc32c == found->crc32c);
    if (!fits) {
        throw Error(ErrorCode::source, "a file came otherwise than the server's manifest says",
                    file.path);
    }
}

Manifest ReceivedFiles::check(std::FILE* manifest)
{
    sort(received_);
    std::size_t files = 0;
    Manifest read = read_manifest(manifest, [&](const ManifestFile& file) {
        compare(file);
        ++files;
    });
    if (files != received_.size()) {
        throw Error(ErrorCode::source,
                    fmt::format("{} files came, but the server's manifest names {}",
                                received_.size(), files));
    }
    return read;
}

void ReceivedFiles::write_manifest(std::FILE* server_manifest, std::uint64_t system_id,
                                   std::FILE* to)
{
    sort(rebuilt_);
    ManifestWriter writer(to, system_id);
    const Manifest read = read_manifest(server_manifest, [&](const ManifestFile& file) {
        const File* rebuilt = find(rebuilt_, file.path);
        if (rebuilt == nullptr) {
            writer.add(file);
            return;
        }
        ManifestFile whole = file;
        whole.path = without_incremental_prefix(file.path);
        whole.size = rebuilt->size;
        whole.crc32c = rebuilt->crc32c;
        writer.add(whole);
    });
    writer.finish(read.log);
    std::rewind(to);
}

} // namespace backstay::core
