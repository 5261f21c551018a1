#include "source/archive_source.hpp"

#include "base/worker_group.hpp"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <clocale>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t block_size = 1 * MiB;
constexpr std::uint64_t archive_device = 1; ///< half of link identities: an archive is one device

/// libarchive converts names by the thread's locale: under C.UTF-8 they come through as they are,
/// and no other thread notices.
class Utf8Locale
{
public:
    Utf8Locale()
        : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)),
          before_(locale_ != nullptr ? ::uselocale(locale_) : nullptr)
    {
    }
    ~Utf8Locale()
    {
        if (locale_ != nullptr) {
            ::uselocale(before_);
            ::freelocale(locale_);
        }
    }
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;

private:
    locale_t locale_;
    locale_t before_;
};

struct FreeArchive {
    void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};
using Archive = std::unique_ptr<archive, FreeArchive>;

/// Without "./" and leading '/'; empty if it would lead out of the archive, or names nothing.
std::string safe_path(std::string_view path)
{
    std::string out;
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        const std::string_view name = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (name.empty() || name == ".") {
            continue;
        }
        if (!is_entry_name(name)) {
            return {};
        }
        out += out.empty() ? "" : "/";
        out += name;
    }
    return is_entry_path(out) ? out : std::string();
}

bool is_only_the_root(std::string_view path)
{
    return path.find_first_not_of("./") == std::string_view::npos &&
           path.find("..") == std::string_view::npos;
}

EntryKind kind_of(unsigned type)
{
    switch (type) {
    case AE_IFDIR:
        return EntryKind::directory;
    case AE_IFLNK:
        return EntryKind::symlink;
    case AE_IFBLK:
        return EntryKind::block_device;
    case AE_IFCHR:
        return EntryKind::character_device;
    case AE_IFIFO:
        return EntryKind::fifo;
    case AE_IFSOCK:
        return EntryKind::socket;
    default:
        return EntryKind::file;
    }
}

/// libarchive gives -1.5 s as {-1, 500000000}.
Timestamp time_of(std::int64_t seconds, long nanoseconds)
{
    const auto fraction = static_cast<std::uint32_t>(std::clamp(nanoseconds, 0L, 999'999'999L));
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    return seconds < 0 && seconds > least && fraction > 0
               ? Timestamp{seconds - 1, 1'000'000'000 - fraction}
               : Timestamp{seconds, fraction};
}

const char* text_or_empty(const char* text)
{
    return text != nullptr ? text : "";
}

void take_xattrs(archive_entry* from, Entry& entry)
{
    archive_entry_xattr_reset(from);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
        if (name != nullptr && size <= max_xattr_value) {
            const auto* bytes = static_cast<const std::uint8_t*>(value);
            entry.xattrs.push_back({name, Bytes(bytes, bytes + size)});
        }
    }
    std::sort(entry.xattrs.begin(), entry.xattrs.end(),
              [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
    entry.xattrs.erase(std::unique(entry.xattrs.begin(), entry.xattrs.end(),
                                   [](const Xattr& a, const Xattr& b) { return a.name == b.name; }),
                       entry.xattrs.end());
}

void take_attributes(archive_entry* from, Entry& entry)
{
    entry.kind = kind_of(archive_entry_filetype(from));
    entry.mode = static_cast<std::uint32_t>(archive_entry_perm(from)) & 07777U;
    entry.user_id = static_cast<std::uint32_t>(archive_entry_uid(from));
    entry.group_id = static_cast<std::uint32_t>(archive_entry_gid(from));
    entry.user = text_or_empty(archive_entry_uname(from));
    entry.group = text_or_empty(archive_entry_gname(from));
    if (archive_entry_mtime_is_set(from) != 0) {
        entry.modified = time_of(archive_entry_mtime(from), archive_entry_mtime_nsec(from));
    }
    if (archive_entry_birthtime_is_set(from) != 0) {
        entry.created = time_of(archive_entry_birthtime(from), archive_entry_birthtime_nsec(from));
    }
    if (entry.kind == EntryKind::symlink) {
        entry.link_target = text_or_empty(archive_entry_symlink(from));
    }
    if (entry.kind == EntryKind::block_device || entry.kind == EntryKind::character_device) {
        entry.device = static_cast<std::uint64_t>(archive_entry_rdevmajor(from)) << 32 |
                       static_cast<std::uint32_t>(archive_entry_rdevminor(from));
    }
    take_xattrs(from, entry);
}

class ArchiveSource : public DataSource
{
public:
    explicit ArchiveSource(std::string path) : path_(std::move(path)) {}

    std::string probe(const std::stop_token&) override
    {
        return R"({"kind":"archive","scope":"object"})";
    }

    SessionPlan open(SnapshotView*, ProblemSink problems, std::stop_token stop) override
    {
        const Utf8Locale locale;
        problems_ = std::move(problems);
        stop_ = std::move(stop);
        names_.clear();
        ended_ = false;
        last_item_ = 0;
        archive_.reset(archive_read_new());
        if (!archive_) {
            throw std::bad_alloc();
        }
        archive_read_support_filter_all(archive_.get());
        archive_read_support_format_all(archive_.get());
        if (archive_read_open_filename(archive_.get(), path_.c_str(), block_size) != ARCHIVE_OK) {
            fail("cannot open the archive");
        }
        return {1, 0, 0};
    }

    std::optional<SourceEntry> next(std::uint32_t) override
    {
        const Utf8Locale locale;
        while (true) {
            throw_if_stopped(stop_);
            archive_entry* header = nullptr;
            const int result = archive_read_next_header(archive_.get(), &header);
            if (result == ARCHIVE_EOF) {
                ended_ = true;
                return std::nullopt;
            }
            if (result < ARCHIVE_WARN) {
                fail("the archive cannot be read on");
            }
            if (std::optional<SourceEntry> entry = take(header)) {
                return entry;
            }
        }
    }

    std::size_t read(std::uint32_t, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override
    {
        if (item != last_item_ || offset != read_) {
            throw Error(ErrorCode::source, "an archive is read in order, once");
        }
        const Utf8Locale locale;
        std::size_t done = 0;
        while (done < buffer.size()) {
            throw_if_stopped(stop_);
            const la_ssize_t got = archive_read_data(archive_.get(), buffer.data() + done,
                                                     buffer.size() - done); // holes come as zeros
            if (got < 0) {
                throw Error(ErrorCode::damaged,
                            fmt::format("cannot be read from the archive: {}",
                                        text_or_empty(archive_error_string(archive_.get()))));
            }
            if (got == 0) {
                break;
            }
            done += static_cast<std::size_t>(got);
        }
        read_ += done;
        return done;
    }

    std::optional<SnapshotStream::Extent> next_data(std::uint32_t, std::uint64_t,
                                                    std::uint64_t) override
    {
        return std::nullopt;
    }
    Outcome outcome(std::uint32_t, std::uint64_t, Entry&) override { return Outcome::stable; }
    void release(std::uint32_t, std::uint64_t) override {}

    SourceVerdict finish() override
    {
        SourceVerdict verdict;
        verdict.kind = ended_ ? SourceVerdict::Kind::ok : SourceVerdict::Kind::failed;
        verdict.message = ended_ ? "" : "the archive was not read to its end";
        return verdict;
    }

    void settle(bool) override
    {
        archive_.reset();
        names_.clear();
    }

private:
    [[noreturn]] void fail(const char* what) const
    {
        throw Error(
            ErrorCode::source,
            fmt::format("{}: {}", what, text_or_empty(archive_error_string(archive_.get()))),
            path_);
    }

    std::optional<SourceEntry> take(archive_entry* header)
    {
        const std::string given = text_or_empty(archive_entry_pathname(header));
        if (is_only_the_root(given)) {
            return std::nullopt;
        }
        SourceEntry entry;
        entry.entry.path = safe_path(given);
        if (entry.entry.path.empty()) {
            problems_(
                {ErrorCode::source, given, "its name would lead out of the archive: left out"});
            return std::nullopt;
        }
        take_attributes(header, entry.entry);
        entry.sequential = true;
        entry.item = ++last_item_;
        read_ = 0;
        if (const char* first = archive_entry_hardlink(header); first != nullptr) {
            return take_hard_link(std::move(entry), safe_path(first), header);
        }
        if (entry.entry.kind == EntryKind::file && archive_entry_nlink(header) > 1) {
            names_[entry.entry.path] = last_item_;
            entry.entry.link = LinkIdentity{archive_device, last_item_};
        } else if (entry.entry.kind == EntryKind::file) {
            names_[entry.entry.path] = last_item_;
        }
        return entry;
    }

    /// Formats that give the bytes only once: the link names a file that came before.
    std::optional<SourceEntry> take_hard_link(SourceEntry entry, const std::string& first,
                                              archive_entry* header)
    {
        const auto found = names_.find(first);
        if (found == names_.end()) {
            problems_(
                {ErrorCode::source, entry.entry.path,
                 fmt::format(
                     "is a hard link to '{}', which the archive does not hold before it: left out",
                     first)});
            return std::nullopt;
        }
        names_[entry.entry.path] = found->second;
        if (archive_entry_size(header) == 0) {
            entry.entry.kind = EntryKind::hard_link;
            entry.entry.link_target = first;
        } else {
            entry.entry.link = LinkIdentity{archive_device, found->second};
        }
        return entry;
    }

    std::string path_;
    ProblemSink problems_;
    std::stop_token stop_;
    Archive archive_;
    std::map<std::string, std::uint64_t> names_; ///< of files so far, for hard links
    bool ended_ = false;
    std::uint64_t last_item_ = 0;
    std::uint64_t read_ = 0;
};

} // namespace

std::unique_ptr<DataSource> make_archive_source(std::string path)
{
    return std::make_unique<ArchiveSource>(std::move(path));
}

} // namespace backstay::core
