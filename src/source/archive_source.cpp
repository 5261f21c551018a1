#include "source/archive_source.hpp"

#include "base/worker_group.hpp"
#include "format/file_flags.hpp"
#include "source/archive_acl.hpp"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <clocale>
#include <deque>
#include <fmt/core.h>
#include <limits>
#include <map>
#include <set>
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

/// Not all that libarchive knows: an mtree file makes it read any file of this machine, and some
/// compressions make it run a program.
void support_archives(archive* reader)
{
    archive_read_support_format_tar(reader);
    archive_read_support_format_cpio(reader);
    archive_read_support_format_zip(reader);
    archive_read_support_format_iso9660(reader);
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_filter_compress(reader);
    archive_read_support_filter_lzip(reader);
    archive_read_support_filter_lzma(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_lz4(reader);
    archive_read_support_filter_zstd(reader);
}

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

/// False if not all of them can be kept.
bool take_xattrs(archive_entry* from, Entry& entry)
{
    bool all = true;
    std::size_t total = 0;
    archive_entry_xattr_reset(from);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
        if (name == nullptr) {
            continue;
        }
        const std::size_t with_it = total + size;
        const bool fits = size <= max_xattr_value && with_it <= max_xattrs_size &&
                          entry.xattrs.size() < max_xattrs;
        all = all && fits;
        if (fits) {
            total = with_it;
            const auto* bytes = static_cast<const std::uint8_t*>(value);
            entry.xattrs.push_back({name, Bytes(bytes, bytes + size)});
        }
    }
    std::sort(entry.xattrs.begin(), entry.xattrs.end(),
              [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
    entry.xattrs.erase(std::unique(entry.xattrs.begin(), entry.xattrs.end(),
                                   [](const Xattr& a, const Xattr& b) { return a.name == b.name; }),
                       entry.xattrs.end());
    return all;
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
    unsigned long flags = 0;
    unsigned long removed = 0;
    archive_entry_fflags(from, &flags, &removed);
    if ((flags & kept_file_flags()) != 0) {
        entry.file_flags = flags & kept_file_flags();
    }
    if (entry.kind == EntryKind::symlink) {
        entry.link_target = text_or_empty(archive_entry_symlink(from));
    }
    if (entry.kind == EntryKind::block_device || entry.kind == EntryKind::character_device) {
        entry.device = static_cast<std::uint64_t>(archive_entry_rdevmajor(from)) << 32 |
                       static_cast<std::uint32_t>(archive_entry_rdevminor(from));
    }
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
        forget_entries();
        at_end_ = false;
        ended_ = false;
        last_item_ = 0;
        archive_.reset(archive_read_new());
        if (!archive_) {
            throw std::bad_alloc();
        }
        support_archives(archive_.get());
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
            if (!ready_.empty()) {
                SourceEntry entry = std::move(ready_.front());
                ready_.pop_front();
                return entry;
            }
            if (at_end_) {
                ended_ = true;
                return std::nullopt;
            }
            if (std::optional<SourceEntry> entry = take_next()) {
                return entry;
            }
        }
    }

    std::size_t read(std::uint32_t, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override
    {
        if (at_end_) {
            return 0; // of a file whose bytes never came
        }
        if (item != last_item_ || offset < read_ || (offset > read_ && !has_holes_)) {
            throw Error(ErrorCode::source, "an archive is read in order, once");
        }
        const Utf8Locale locale;
        Bytes hole(static_cast<std::size_t>(std::min<std::uint64_t>(offset - read_, block_size)));
        while (read_ < offset) {
            const std::uint64_t left = std::min<std::uint64_t>(offset - read_, hole.size());
            if (read_on(MutableByteSpan(hole).first(static_cast<std::size_t>(left))) == 0) {
                return 0;
            }
        }
        return read_on(buffer);
    }

    std::optional<SnapshotStream::Extent> next_data(std::uint32_t, std::uint64_t,
                                                    std::uint64_t offset) override
    {
        while (next_piece_ < pieces_.size() && pieces_[next_piece_].end <= offset) {
            ++next_piece_;
        }
        if (next_piece_ == pieces_.size()) {
            return std::nullopt;
        }
        const SnapshotStream::Extent& piece = pieces_[next_piece_];
        return SnapshotStream::Extent{std::max(piece.begin, offset), piece.end};
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
        forget_entries();
    }

private:
    std::size_t read_on(MutableByteSpan buffer)
    {
        std::size_t done = 0;
        while (!in_last_hole_ && done < buffer.size()) {
            throw_if_stopped(stop_);
            const la_ssize_t got = archive_read_data(archive_.get(), buffer.data() + done,
                                                     buffer.size() - done); // holes come as zeros
            if (got < 0) {
                throw Error(ErrorCode::damaged,
                            fmt::format("cannot be read from the archive: {}",
                                        text_or_empty(archive_error_string(archive_.get()))));
            }
            in_last_hole_ = got == 0;
            done += static_cast<std::size_t>(got);
        }
        if (in_last_hole_) {
            done += fill_last_hole(read_ + done, buffer.subspan(done));
        }
        read_ += done;
        return done;
    }

    /// Where an archive says that a file has holes, they are kept as such.
    void take_pieces(archive_entry* header, SourceEntry& entry)
    {
        pieces_.clear();
        next_piece_ = 0;
        has_holes_ = size_of_sparse_ > 0 && archive_entry_sparse_reset(header) > 0;
        if (!has_holes_) {
            return;
        }
        entry.sparse = true;
        entry.entry.size = size_of_sparse_;
        la_int64_t begin = 0;
        la_int64_t size = 0;
        while (archive_entry_sparse_next(header, &begin, &size) == ARCHIVE_OK) {
            const SnapshotStream::Extent piece{static_cast<std::uint64_t>(begin),
                                               static_cast<std::uint64_t>(begin + size)};
            if (!pieces_.empty() && pieces_.back().end == piece.begin) {
                pieces_.back().end = piece.end;
            } else if (size > 0) {
                pieces_.push_back(piece);
            }
        }
    }

    [[noreturn]] void fail(const char* what) const
    {
        throw Error(
            ErrorCode::source,
            fmt::format("{}: {}", what, text_or_empty(archive_error_string(archive_.get()))),
            path_);
    }

    /// libarchive passes over the hole that a file is nothing but, and loses count if asked again.
    /// How much of it was filled with zeros.
    std::size_t fill_last_hole(std::uint64_t offset, MutableByteSpan buffer) const
    {
        if (offset >= size_of_sparse_) {
            return 0;
        }
        const auto size = static_cast<std::size_t>(
            std::min<std::uint64_t>(buffer.size(), size_of_sparse_ - offset));
        std::fill_n(buffer.begin(), size, std::uint8_t{0});
        return size;
    }

    void forget_entries()
    {
        names_.clear();
        waiting_.clear();
        ready_.clear();
    }

    /// Empty: there is none, or it was left out, or comes later.
    std::optional<SourceEntry> take_next()
    {
        archive_entry* header = nullptr;
        const int result = archive_read_next_header(archive_.get(), &header);
        if (result == ARCHIVE_RETRY) {
            return std::nullopt;
        }
        if (result == ARCHIVE_EOF) {
            at_end_ = true;
            for (auto& [name, entry] : waiting_) {
                ready_.push_back(std::move(entry)); // they are empty, then
            }
            waiting_.clear();
            return std::nullopt;
        }
        if (result < ARCHIVE_WARN) {
            fail("the archive cannot be read on");
        }
        std::optional<SourceEntry> entry = take(header);
        if (entry && result == ARCHIVE_WARN) {
            problems_({ErrorCode::source, entry->entry.path,
                       fmt::format("is not kept whole: {}",
                                   text_or_empty(archive_error_string(archive_.get())))});
        }
        return entry;
    }

    std::optional<SourceEntry> take(archive_entry* header)
    {
        const std::string given = text_or_empty(archive_entry_pathname(header));
        if (given.empty()) {
            problems_({ErrorCode::source, "",
                       "an entry of the archive has no name that can be read: left out"});
            return std::nullopt;
        }
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
        if (!take_xattrs(header, entry.entry)) {
            problems_({ErrorCode::source, entry.entry.path,
                       "its extended attributes are too large or too many: some are left out"});
        }
        for (std::string& lost : acls_.take(header, entry.entry)) {
            problems_({ErrorCode::source, entry.entry.path, std::move(lost)});
        }
        entry.sequential = true;
        entry.item = ++last_item_;
        read_ = 0;
        in_last_hole_ = false;
        const bool may_be_sparse = (archive_format(archive_.get()) & ARCHIVE_FORMAT_BASE_MASK) ==
                                   ARCHIVE_FORMAT_TAR; // where data that is missing is an error
        size_of_sparse_ =
            may_be_sparse ? static_cast<std::uint64_t>(archive_entry_size(header)) : 0;
        if (const char* first = archive_entry_hardlink(header); first != nullptr) {
            return take_hard_link(std::move(entry), safe_path(first), header);
        }
        if (entry.entry.kind != EntryKind::file) {
            return entry;
        }
        take_pieces(header, entry);
        names_.insert(entry.entry.path);
        if (archive_entry_nlink(header) > 1) {
            entry.entry.link = LinkIdentity{archive_device, last_item_};
            if (archive_entry_size(header) == 0) {
                std::string path = entry.entry.path;
                waiting_.insert_or_assign(std::move(path), std::move(entry));
                return std::nullopt;
            }
        }
        return entry;
    }

    /// Formats give the bytes only once: with the first name, or (cpio) with the last. They are the
    /// first name's here.
    std::optional<SourceEntry> take_hard_link(SourceEntry entry, const std::string& first,
                                              archive_entry* header)
    {
        if (names_.find(first) == names_.end()) {
            problems_(
                {ErrorCode::source, entry.entry.path,
                 fmt::format(
                     "is a hard link to '{}', which the archive does not hold before it: left out",
                     first)});
            return std::nullopt;
        }
        if (first == entry.entry.path) {
            return std::nullopt; // again, and says nothing new
        }
        const std::uint64_t item = entry.item;
        entry.entry.kind = EntryKind::hard_link;
        entry.entry.link_target = first;
        entry.entry.link.reset();
        const auto without_bytes = waiting_.find(first);
        if (without_bytes == waiting_.end() || archive_entry_size(header) == 0) {
            return entry;
        }
        ready_.push_back(std::move(entry));
        SourceEntry with_bytes = std::move(without_bytes->second);
        waiting_.erase(without_bytes);
        with_bytes.item = item;
        return with_bytes;
    }

    std::string path_;
    ProblemSink problems_;
    std::stop_token stop_;
    Archive archive_;
    ArchiveAcls acls_;
    std::set<std::string> names_;                ///< of files so far, for hard links
    std::map<std::string, SourceEntry> waiting_; ///< by path: their bytes may come with a link
    std::deque<SourceEntry> ready_;              ///< to be given next
    bool at_end_ = false;                        ///< of the archive
    bool ended_ = false;                         ///< everything was given
    std::uint64_t last_item_ = 0;
    std::uint64_t read_ = 0;
    bool in_last_hole_ = false;                  ///< nothing of it comes from the archive any more
    std::uint64_t size_of_sparse_ = 0;           ///< of the file that is read, if it may have holes
    bool has_holes_ = false;                     ///< it is known where
    std::vector<SnapshotStream::Extent> pieces_; ///< between its holes
    std::size_t next_piece_ = 0;
};

} // namespace

std::unique_ptr<DataSource> make_archive_source(std::string path)
{
    return std::make_unique<ArchiveSource>(std::move(path));
}

} // namespace backstay::core
