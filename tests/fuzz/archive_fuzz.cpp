#include "canonical.hpp"
#include "format/encoding.hpp"
#include "source/archive_source.hpp"

#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

constexpr std::uint64_t most_bytes = 4 * MiB; ///< of one input: a bomb only takes time
constexpr int most_entries = 200;

/// A file in memory with a path that can be opened.
class MemoryFile
{
public:
    explicit MemoryFile(ByteSpan bytes) : descriptor_(::memfd_create("archive", MFD_CLOEXEC))
    {
        if (descriptor_ < 0 || ::write(descriptor_, bytes.data(), bytes.size()) !=
                                   static_cast<ssize_t>(bytes.size())) {
            found("no file in memory");
        }
    }
    ~MemoryFile() { ::close(descriptor_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    std::string path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

private:
    int descriptor_;
};

void demand_sensible(const Entry& entry)
{
    if (!is_entry_path(entry.path)) {
        found("an archive's entry has a path that leads out");
    }
    if (entry.kind == EntryKind::hard_link && !is_entry_path(entry.link_target)) {
        found("an archive's hard link leads out");
    }
}

void read_through(DataSource& source, const SourceEntry& entry, std::uint64_t& left)
{
    static Bytes buffer(64 * KiB);
    std::uint64_t offset = 0;
    while (left > 0) {
        const std::size_t got = source.read(0, entry.item, offset, buffer);
        if (got == 0) {
            return;
        }
        offset += got;
        left -= std::min<std::uint64_t>(left, got);
    }
}

void walk(DataSource& source)
{
    std::uint64_t left = most_bytes;
    for (int count = 0; count < most_entries && left > 0; ++count) {
        const auto entry = source.next(0);
        if (!entry) {
            break;
        }
        demand_sensible(entry->entry);
        try {
            read_through(source, *entry, left);
        } catch (const Error&) {
            continue; // a problem of this entry
        }
    }
    source.finish();
}

} // namespace

// An input is an archive.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const MemoryFile file({data, size});
    const auto source = make_archive_source(file.path());
    try {
        source->open(nullptr, [](const Problem&) {}, {});
        walk(*source);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::source) {
            found(error.what());
        }
    }
    source->settle(false);
    return 0;
}
