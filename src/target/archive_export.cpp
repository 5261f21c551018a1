#include "target/archive_export.hpp"

#include "base/worker_group.hpp"
#include "format/file_flags.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace backstay::core
{

namespace
{

/// Files up to this are read before their header is written, so that a damaged one can be left out.
constexpr std::uint64_t small_file = 4 * MiB;

/// More pieces than this are written with the zeros between them: the list would have to be held.
constexpr std::size_t most_pieces = 10'000;

/// Far beyond what anybody's tar takes; keeps a hostile snapshot from costing the square of it.
constexpr std::size_t longest_path = 32 * KiB;

/// GNU tar keeps the pieces of a sparse file in whole blocks; only the last may end anywhere.
constexpr std::uint64_t tar_block = 512;

bool has_content(EntryKind kind)
{
    return kind == EntryKind::file || kind == EntryKind::image;
}

} // namespace

ArchiveExport::ArchiveExport(SnapshotView& view, ArchiveFormat format, ArchiveNames& names,
                             ArchiveWriter& writer, const TargetEvents& events,
                             const std::stop_token& stop)
    : view_(view), format_(format), names_(names), writer_(writer), events_(events), stop_(stop),
      piece_(small_file)
{
}

void ArchiveExport::problem(ErrorCode code, const std::string& path,
                            const std::string& message) const
{
    if (events_.problem) {
        events_.problem({code, path, message});
    }
}

void ArchiveExport::progress(std::uint64_t entries, std::uint64_t bytes) const
{
    if (events_.progress) {
        events_.progress(entries, bytes, 0);
    }
}

void ArchiveExport::run()
{
    const auto cursor = view_.walk("", SnapshotView::Depth::all_levels);
    bool more = true;
    while (more) {
        throw_if_stopped(stop_);
        std::optional<Entry> entry;
        try {
            entry = cursor->next();
            more = entry.has_value();
        } catch (const Error& error) {
            if (error.code() != ErrorCode::damaged) {
                throw;
            }
            problem(error.code(), error.subject(), error.what());
        }
        if (entry) {
            add(*entry);
        }
    }
    writer_.finish();
    shortfalls_.report(events_);
}

std::string ArchiveExport::name_for(const std::string& path)
{
    return ArchiveWriter::holds_any_name(format_) ? path : names_.name_for(path);
}

void ArchiveExport::tell_rename(const Entry& entry)
{
    const std::size_t slash = entry.path.rfind('/');
    const std::string name = entry.path.substr(slash == std::string::npos ? 0 : slash + 1);
    if (!ArchiveWriter::holds_any_name(format_) && !is_utf8(name)) {
        problem(ErrorCode::unsupported, entry.path,
                "its name is not UTF-8, as the format wants it; it is now " + name_for(entry.path));
    }
}

void ArchiveExport::tell_what_is_lost(const Entry& entry)
{
    if (ArchiveWriter::holds_xattrs(format_)) {
        return;
    }
    if (!entry.xattrs.empty()) {
        shortfalls_.add("the format holds no extended attributes and ACLs", entry.path, 0);
    }
    if ((entry.file_flags.value_or(0) & kept_file_flags()) != 0) {
        shortfalls_.add("the format holds no file flags", entry.path, 0);
    }
}

void ArchiveExport::add(const Entry& entry)
{
    if (!is_entry_path(entry.path)) {
        problem(ErrorCode::damaged, entry.path, "its name would lead out of the archive; left out");
        return;
    }
    if (entry.path.size() > longest_path) {
        problem(ErrorCode::unsupported, entry.path,
                "its path is too long for an archive; left out");
        return;
    }
    tell_rename(entry);
    const std::uint64_t before = members_;
    if (entry.kind == EntryKind::hard_link) {
        add_hard_link(entry);
    } else if (!add_other_name(entry)) {
        add_as(entry, entry);
    }
    if (members_ == before) {
        left_out_.insert(entry.path);
    }
}

/// True if the entry is another name of something that the archive has already.
bool ArchiveExport::add_other_name(const Entry& entry)
{
    if (!ArchiveWriter::holds_hard_links(format_)) {
        return false;
    }
    if (const auto given = given_before_.find(entry.path); given != given_before_.end()) {
        add_link(entry, given->second);
        return true;
    }
    const auto first = entry.link ? first_names_.find(*entry.link) : first_names_.end();
    if (first == first_names_.end()) {
        return false;
    }
    add_link(entry, first->second);
    return true;
}

void ArchiveExport::add_link(const Entry& entry, const std::string& first)
{
    if (begin({entry, name_for(entry.path), first, 0, {}})) {
        progress(1, 0);
    }
}

void ArchiveExport::add_hard_link(const Entry& entry)
{
    const bool inside = is_entry_path(entry.link_target);
    const auto other = inside ? view_.lookup(entry.link_target) : std::nullopt;
    if (!other || left_out_.contains(entry.link_target)) {
        problem(ErrorCode::target, entry.path,
                "it is a hard link to something that is not in here; left out");
    } else if (!ArchiveWriter::holds_hard_links(format_)) {
        add_as(entry, *other);
    } else if (path_less(entry.link_target, entry.path)) {
        add_link(entry, name_for(entry.link_target));
    } else if (const auto given = given_before_.find(entry.link_target);
               given != given_before_.end()) {
        add_link(entry, given->second);
    } else {
        // A member must not name one that comes later: the first to come has the content.
        const std::uint64_t before = members_;
        add_as(entry, *other);
        if (members_ != before) {
            given_before_.emplace(entry.link_target, name_for(entry.path));
        }
    }
}

/// `with_content` is the entry itself, or the one that it is another name of.
void ArchiveExport::add_as(const Entry& entry, const Entry& with_content)
{
    ArchiveMember member{with_content, name_for(entry.path), "", 0, {}};
    const std::uint64_t before = members_;
    if (!has_content(with_content.kind)) {
        if (begin(member)) {
            progress(1, 0);
        }
    } else {
        const auto stream = view_.open_stream(with_content);
        member.size = stream->size();
        stream->expect(0, member.size);
        // libarchive 3.6 loses the folder of a sparse file's name that is not UTF-8.
        if (ArchiveWriter::holds_sparse(format_) && is_utf8(member.name)) {
            member.data = data_of(*stream);
        }
        if (member.size <= small_file) {
            add_small(member, *stream);
        } else {
            add_large(member, *stream);
        }
    }
    if (members_ == before) {
        return;
    }
    tell_what_is_lost(with_content);
    if (entry.link && ArchiveWriter::holds_hard_links(format_)) {
        first_names_.emplace(*entry.link, member.name);
    }
}

/// Empty: no holes, or too many. A file of nothing but a hole has an empty piece, as libarchive
/// wants it.
std::vector<ArchiveMember::Extent> ArchiveExport::data_of(SnapshotStream& stream) const
{
    std::vector<ArchiveMember::Extent> pieces;
    for (auto next = stream.next_data(0); next; next = stream.next_data(next->end)) {
        const std::uint64_t begin = next->begin - next->begin % tar_block;
        const std::uint64_t padding = (tar_block - next->end % tar_block) % tar_block;
        const std::uint64_t end = next->end + std::min(padding, stream.size() - next->end);
        if (!pieces.empty() && pieces.back().end >= begin) {
            pieces.back().end = end;
        } else if (pieces.size() == most_pieces) {
            return {};
        } else {
            pieces.push_back({begin, end});
        }
    }
    if (pieces.size() == 1 && pieces[0].begin == 0 && pieces[0].end == stream.size()) {
        return {};
    }
    if (pieces.empty() && stream.size() == 0) {
        return {};
    }
    if (pieces.empty()) {
        pieces.push_back({0, 0});
    }
    return pieces;
}

bool ArchiveExport::begin(const ArchiveMember& member)
{
    if (writer_.begin(member) == ArchiveWriter::Fit::left_out) {
        problem(ErrorCode::unsupported, member.entry.path,
                "the format cannot hold it: " + writer_.message());
        return false;
    }
    ++members_;
    return true;
}

void ArchiveExport::add_small(const ArchiveMember& member, SnapshotStream& stream)
{
    const auto bytes = MutableByteSpan(piece_).first(static_cast<std::size_t>(member.size));
    try {
        if (stream.read_at(0, bytes, stop_) != bytes.size()) {
            throw Error(ErrorCode::damaged, "it is shorter than its size says", member.entry.path);
        }
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged) {
            throw;
        }
        problem(error.code(), member.entry.path, std::string(error.what()) + "; left out");
        return;
    }
    if (begin(member)) {
        writer_.write(bytes);
        progress(1, bytes.size());
    }
}

void ArchiveExport::write_zeros(std::uint64_t count)
{
    static const std::array<std::uint8_t, 256 * KiB> zeros{};
    while (count > 0) {
        throw_if_stopped(stop_);
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, zeros.size()));
        writer_.write(ByteSpan(zeros).first(size));
        count -= size;
    }
}

void ArchiveExport::add_large(const ArchiveMember& member, SnapshotStream& stream)
{
    if (!begin(member)) {
        return;
    }
    std::uint64_t at = 0;
    while (at < member.size) {
        throw_if_stopped(stop_);
        const auto data = stream.next_data(at);
        const std::uint64_t hole_end = data ? data->begin : member.size;
        write_zeros(hole_end - at);
        at = hole_end;
        if (!data) {
            break;
        }
        const auto wanted = static_cast<std::size_t>(
            std::min<std::uint64_t>(piece_.size(), data->end - data->begin));
        const auto bytes = MutableByteSpan(piece_).first(wanted);
        std::size_t size = 0;
        try {
            size = stream.read_at(at, bytes, stop_);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::damaged) {
                throw;
            }
            throw Error(ErrorCode::damaged,
                        std::string(error.what()) +
                            "; the archive has the beginning of this file and cannot be ended. "
                            "Leave the file out",
                        member.entry.path);
        }
        if (size != wanted) {
            throw Error(ErrorCode::damaged, "it is shorter than its size says; leave it out",
                        member.entry.path);
        }
        writer_.write(bytes);
        progress(0, size);
        at += size;
    }
    progress(1, 0);
}

} // namespace backstay::core
