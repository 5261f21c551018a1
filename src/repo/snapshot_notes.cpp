#include "repo/snapshot_notes.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/side_by_side.hpp"
#include "repo/named_error.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <mutex>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace backstay::core
{

namespace
{

constexpr std::size_t longest_tag = 256;
constexpr std::size_t longest_tag_shown = 64;
constexpr std::size_t longest_comment = 64 * KiB;

using NotesBySnapshot = std::unordered_map<SessionId, std::vector<NoteRecord>, IdHash>;

NoteRecord read_note(Repository& repository, const SessionId& id, const std::stop_token& stop)
{
    const std::string key = note_key(id);
    const Bytes body = repository.read_object(key, ObjectType::note, stop);
    NoteRecord note = naming(key, [&] { return decode_note(body); });
    if (note.id != id) {
        throw Error(ErrorCode::damaged, key + ": this note was made under another name", key);
    }
    return note;
}

NotesBySnapshot read_notes(Repository& repository, std::span<const ObjectInfo> listed,
                           SnapshotList& list, const std::stop_token& stop)
{
    std::vector<SessionId> ids;
    for (const ObjectInfo& info : listed) {
        if (const auto id = parse_id_key<SessionId>("notes/", info.key)) {
            ids.push_back(*id);
        }
    }
    NotesBySnapshot notes;
    std::mutex mutex; // guards notes and list
    side_by_side("notes", ids.size(), repository.reads_at_once(stop), stop,
                 [&](std::size_t at, const std::stop_token& stopped) {
                     try {
                         NoteRecord note = read_note(repository, ids[at], stopped);
                         const std::lock_guard lock(mutex);
                         notes[note.snapshot].push_back(std::move(note));
                     } catch (const Error& error) {
                         if (error.code() == ErrorCode::not_found) {
                             return; // nothing ever names a note but another note
                         }
                         if (!is_unreadable(error)) {
                             throw;
                         }
                         const std::lock_guard lock(mutex);
                         list.unreadable_notes.push_back({ids[at], error.what()});
                     }
                 });
    std::sort(list.unreadable_notes.begin(), list.unreadable_notes.end(),
              [](const UnreadableNote& a, const UnreadableNote& b) { return a.id < b.id; });
    return notes;
}

/// Those that no other names, oldest first.
std::vector<NoteRecord> in_force(std::vector<NoteRecord> notes)
{
    std::unordered_set<SessionId, IdHash> replaced;
    for (const NoteRecord& note : notes) {
        for (const SessionId& older : note.replaces) {
            if (older != note.id) {
                replaced.insert(older);
            }
        }
    }
    std::erase_if(notes, [&](const NoteRecord& note) { return replaced.contains(note.id); });
    std::sort(notes.begin(), notes.end(), [](const NoteRecord& a, const NoteRecord& b) {
        return a.time != b.time ? a.time < b.time : a.id < b.id;
    });
    return notes;
}

void change_by_notes(Snapshot& snapshot, const std::vector<NoteRecord>& notes)
{
    std::optional<std::set<std::string>> tags;
    std::set<BlobId> lost;
    for (const NoteRecord& note : notes) {
        snapshot.notes.push_back(note.id);
        if (note.tags) {
            tags = tags.value_or(std::set<std::string>{});
            tags->insert(note.tags->begin(), note.tags->end());
        }
        snapshot.pinned |= note.pinned.value_or(false);
        snapshot.comment = note.comment.value_or(snapshot.comment);
        lost.insert(note.lost.begin(), note.lost.end());
    }
    if (tags) {
        snapshot.tags.assign(tags->begin(), tags->end());
    }
    snapshot.lost.assign(lost.begin(), lost.end());
}

std::vector<std::string> sorted(std::vector<std::string> tags)
{
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    return tags;
}

} // namespace

void apply_notes(Repository& repository, std::span<const ObjectInfo> listed, SnapshotList& list,
                 const std::stop_token& stop)
{
    NotesBySnapshot notes = read_notes(repository, listed, list, stop);
    for (Snapshot& snapshot : list.snapshots) {
        snapshot.tags = sorted(snapshot.record.tags);
        snapshot.comment = snapshot.record.comment;
        const auto found = notes.find(snapshot.record.id);
        if (found != notes.end()) {
            change_by_notes(snapshot, in_force(std::move(found->second)));
        }
    }
}

void check_tag(const std::string& tag)
{
    const bool has_control = std::any_of(tag.begin(), tag.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (tag.empty() || tag.size() > longest_tag || !is_utf8(tag) || has_control ||
        tag.find(',') != std::string::npos) {
        std::string shown = has_control || !is_utf8(tag) ? to_hex(as_bytes(tag)) : tag;
        if (shown.size() > longest_tag_shown) {
            shown = fmt::format("{} … ({} bytes)", shown.substr(0, longest_tag_shown), tag.size());
        }
        throw Error(ErrorCode::invalid,
                    fmt::format("\"{}\" cannot be a tag: a tag is 1 to {} bytes of UTF-8 without "
                                "commas and control characters",
                                shown, longest_tag),
                    "tag");
    }
}

void check_comment(std::string_view comment)
{
    if (comment.size() > longest_comment || !is_utf8(comment)) {
        throw Error(ErrorCode::invalid, "a comment is UTF-8 and at most 64 KiB long", "comment");
    }
}

void write_note(Repository& repository, const Snapshot& snapshot, const SnapshotChange& change,
                const std::stop_token& stop)
{
    NoteRecord note;
    note.id = random_id<SessionId>();
    note.snapshot = snapshot.record.id;
    note.time = repository.clock().now();
    note.replaces = snapshot.notes;
    note.lost = snapshot.lost;
    // Only what differs from the snapshot's own, so that two notes made at the same time about
    // different things do not disturb each other.
    std::vector<std::string> tags = sorted(change.tags.value_or(snapshot.tags));
    std::for_each(tags.begin(), tags.end(), check_tag);
    if (change.tags || tags != sorted(snapshot.record.tags)) {
        note.tags = std::move(tags);
    }
    if (change.pinned || snapshot.pinned) {
        note.pinned = change.pinned.value_or(snapshot.pinned);
    }
    if (change.comment || snapshot.comment != snapshot.record.comment) {
        note.comment = change.comment.value_or(snapshot.comment);
    }
    if (note.comment) {
        check_comment(*note.comment);
    }
    repository.write_object(note_key(note.id), ObjectType::note, KeyClass::meta, encode_note(note),
                            stop);
}

} // namespace backstay::core
