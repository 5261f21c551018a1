#pragma once

#include "repo/repository.hpp"
#include "repo/snapshot.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// Reads the notes listed, and changes each snapshot by those of its notes that no other note of it
/// replaces.
void apply_notes(Repository& repository, std::span<const ObjectInfo> listed, SnapshotList& list,
                 const std::stop_token& stop);

/// Throws Error{invalid} unless `tag` can be one: not empty, UTF-8, at most 256 bytes, no comma, no
/// control character.
void check_tag(const std::string& tag);

/// Throws Error{invalid} unless `comment` can be one: UTF-8, at most 64 KiB.
void check_comment(std::string_view comment);

/// What is to be another way from now on.
struct SnapshotChange {
    std::optional<std::vector<std::string>> tags;
    std::optional<bool> pinned;
    std::optional<std::string> comment;
};

/// Writes a note that replaces those in force. Throws Error{invalid} for what cannot be a tag.
void write_note(Repository& repository, const Snapshot& snapshot, const SnapshotChange& change,
                const std::stop_token& stop);

} // namespace backstay::core
