#include "engine/lane_reader.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/lost.hpp"
#include "repo/content_reader.hpp"

#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr int times_to_read_a_changing_file = 3;

bool has_content(EntryKind kind)
{
    return kind == EntryKind::file || kind == EntryKind::image;
}

/// Ends the backup, not just the entry.
bool ends_everything(ErrorCode code)
{
    return code == ErrorCode::cancelled || code == ErrorCode::no_memory ||
           code == ErrorCode::internal;
}

/// Whether two states of an entry without content are the same, for the report.
bool same_attributes(const Entry& a, const Entry& b)
{
    return a.kind == b.kind && a.mode == b.mode && a.user_id == b.user_id &&
           a.group_id == b.group_id && a.modified == b.modified && a.link_target == b.link_target &&
           a.device == b.device && a.file_flags == b.file_flags && a.xattrs == b.xattrs &&
           a.damaged == b.damaged && a.contents_left_out == b.contents_left_out;
}

/// Flags that the source tells whether the entry changed or not, and the others as they were.
std::optional<std::uint64_t> flags_with(const SourceEntry& now, const Entry& before)
{
    const std::optional<std::uint64_t>& known = now.entry.file_flags;
    if (!known || !before.file_flags) {
        return known ? known : before.file_flags;
    }
    return (*known & ~now.lacked_flags) | (*before.file_flags & now.lacked_flags);
}

} // namespace

LaneReader::LaneReader(const BackupShared& shared, const std::string& source_name,
                       DataSource& source, std::uint32_t lane, SnapshotView* parent,
                       LinkedContents& linked, std::stop_token stop)
    : shared_(shared), name_(source_name), source_(source), lane_(lane), parent_(parent),
      linked_(linked), stop_(std::move(stop)), contents_(shared, source_name, source, lane, stop_)
{
}

void LaneReader::drain()
{
    while (std::optional<SourceEntry> entry = source_.next(lane_)) {
        throw_if_stopped(stop_);
        const std::uint64_t item = entry->item;
        take(std::move(*entry));
        source_.release(lane_, item);
        shared_.checkpointer.maybe_publish();
    }
    contents_.flush();
}

void LaneReader::problem(ErrorCode code, const std::string& path, const std::string& message)
{
    shared_.problem({name_, path, static_cast<std::int32_t>(code), message});
}

/// A parent that cannot be read is no parent: its entries are read anew.
std::optional<Entry> LaneReader::look_up(const std::string& path)
{
    try {
        return parent_ != nullptr ? parent_->lookup(path) : std::nullopt;
    } catch (const Error& error) {
        if (!means_lost(error.code())) {
            throw;
        }
        return std::nullopt;
    }
}

void LaneReader::take(SourceEntry entry)
{
    shared_.context.set_current(entry.entry.path);
    const std::optional<Entry> before = look_up(entry.base.empty() ? entry.entry.path : entry.base);
    bool keep = true;
    const Change change = store(entry, before, keep);
    if (!keep) {
        return;
    }
    Entry& kept = entry.entry;
    if (!keep_entry(kept)) {
        return;
    }
    shared_.figures.entries.fetch_add(1, std::memory_order_relaxed);
    if (before && before->link != kept.link) {
        shared_.figures.entries_relinked.fetch_add(1, std::memory_order_relaxed);
    }
    auto& counter = change == Change::new_entry  ? shared_.figures.entries_new
                    : change == Change::modified ? shared_.figures.entries_changed
                                                 : shared_.figures.entries_unchanged;
    counter.fetch_add(1, std::memory_order_relaxed);
    if (has_content(kept.kind)) {
        shared_.figures.bytes_source.fetch_add(kept.size, std::memory_order_relaxed);
    }
    shared_.context.progress().entries.fetch_add(1, std::memory_order_relaxed);
    if (change != Change::unchanged) {
        shared_.checkpointer.entry_done(name_, kept);
    }
    tell(kept, change);
}

/// False if it cannot stand in a tree, whatever its source thinks: a problem of this entry, not the
/// end of the backup.
bool LaneReader::keep_entry(Entry& entry)
{
    std::string inside = name_ + "/" + entry.path;
    inside.swap(entry.path);
    std::optional<Error> refused;
    try {
        if (path_depth(entry.path) > max_path_depth) {
            throw Error(ErrorCode::invalid,
                        fmt::format("it lies below more than {} folders, too deep for a restore",
                                    max_path_depth));
        }
        shared_.sorter.add(entry);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::invalid) {
            throw;
        }
        refused = error;
    }
    entry.path.swap(inside);
    if (refused) {
        problem(refused->code(), entry.path, fmt::format("cannot be kept: {}", refused->what()));
    }
    return !refused;
}

LaneReader::Change LaneReader::store(SourceEntry& entry, const std::optional<Entry>& before,
                                     bool& keep)
{
    Entry& now = entry.entry;
    const bool same_kind = before && before->kind == now.kind;
    if (!has_content(now.kind)) {
        complete(entry);
        now.size = 0;
        return !before                         ? Change::new_entry
               : same_attributes(*before, now) ? Change::unchanged
                                               : Change::modified;
    }
    if (same_kind && take_over(entry, *before)) {
        shared_.context.progress().bytes.fetch_add(now.size, std::memory_order_relaxed);
        return Change::unchanged;
    }
    complete(entry);
    if (now.link) {
        if (std::optional<Content> known = linked_.find(*now.link, now.change_token);
            known && !now.change_token.empty()) {
            now.content = std::move(*known);
            now.size = now.content.size();
            return before ? Change::modified : Change::new_entry;
        }
    }
    keep = read(entry, same_kind ? begun_content(entry, *before) : nullptr);
    if (keep && now.link && !now.change_token.empty()) {
        linked_.add(*now.link, now.change_token, now.content);
    }
    if (!before) {
        return Change::new_entry;
    }
    // Read again because its token said nothing: what matters is what was found.
    const bool same = same_kind && now.content == before->content && same_attributes(*before, now);
    return same ? Change::unchanged : Change::modified;
}

void LaneReader::complete(SourceEntry& entry)
{
    if (entry.is_incomplete()) {
        source_.complete(lane_, entry.item, entry.entry);
    }
}

/// The parent's token again, and every single blob is in the index: a parent vouches for nothing.
bool LaneReader::take_over(SourceEntry& entry, const Entry& before)
{
    Entry& now = entry.entry;
    if (now.change_token.empty() || now.change_token != before.change_token || before.damaged ||
        is_begun(before) || shared_.options.force) {
        return false;
    }
    bool all_known = true;
    const BlobIndex& index = shared_.reader.index();
    try {
        for_each_reference(shared_.reader, before.content, stop_, [&](const BlobId& id, BlobKind) {
            all_known = all_known && index.contains(id);
        });
    } catch (const Error& error) {
        if (!means_lost(error.code())) {
            throw;
        }
        all_known = false; // a page of its list is lost: read it anew
    }
    if (!all_known) {
        return false;
    }
    now.content = before.content;
    now.size = before.size;
    if (entry.lacks_xattrs) {
        now.xattrs = before.xattrs;
    }
    now.file_flags = flags_with(entry, before);
    return true;
}

/// The beginning of it that an interrupted run read, if it has not changed since.
const Content* LaneReader::begun_content(const SourceEntry& entry, const Entry& before) const
{
    const bool goes_on = can_be_begun(entry) && !shared_.options.force && is_begun(before) &&
                         before.change_token == entry.entry.change_token;
    return goes_on ? &before.content : nullptr;
}

/// False if there is nothing to keep: then a problem was told.
bool LaneReader::read(SourceEntry& entry, const Content* begun)
{
    const std::string path = entry.entry.path;
    for (int attempt = 1;; ++attempt) {
        try {
            contents_.read(entry, attempt == 1 ? begun : nullptr);
        } catch (const ParentUnreadable&) {
            throw;
        } catch (const Error& error) {
            if (ends_everything(error.code()) || stop_.stop_requested()) {
                throw;
            }
            problem(error.code(), path, error.what());
            return false;
        }
        const DataSource::Outcome outcome = source_.outcome(lane_, entry.item, entry.entry);
        if (outcome == DataSource::Outcome::stable) {
            return true;
        }
        if (outcome == DataSource::Outcome::vanished) {
            return true; // its bytes were read to the end
        }
        if (entry.sequential || attempt == times_to_read_a_changing_file) {
            entry.entry.change_token.clear();
            entry.entry.size = entry.entry.content.size();
            problem(ErrorCode::source, path,
                    fmt::format("changed while it was read, {} times: what was read last is kept",
                                attempt));
            return true;
        }
    }
}

void LaneReader::tell(const Entry& entry, Change change)
{
    if (!shared_.options.list) {
        return;
    }
    const char letter = change == Change::new_entry ? 'N' : change == Change::modified ? 'M' : 'U';
    if (shared_.options.list_changes.find(letter) == std::string::npos) {
        return;
    }
    const char* word = change == Change::new_entry  ? "new"
                       : change == Change::modified ? "modified"
                                                    : "unchanged";
    Record record = entry_record(entry, entry.path);
    record.set("source", name_).set("change", word);
    shared_.context.emit(std::move(record));
}

} // namespace backstay::core
