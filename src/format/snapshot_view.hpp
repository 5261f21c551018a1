#pragma once

#include "format/entry.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace backstay::core {

/// A stream of a snapshot. Thread-safe.
class SnapshotStream {
public:
    virtual ~SnapshotStream() = default;
    virtual std::uint64_t size() const = 0;
    /// Short only at the end. Throws Error{damaged} where data is missing or damaged: nothing false is ever given.
    virtual std::size_t read_at(std::uint64_t offset, MutableByteSpan buffer, const std::stop_token& stop) = 0;
    /// A hint: this stretch will be read in order, once, and nothing behind it soon.
    virtual void expect(std::uint64_t /*begin*/, std::uint64_t /*end*/) {}
    /// The next stretch of data at or after `offset`; empty if only a hole is left.
    struct Extent {
        std::uint64_t begin;
        std::uint64_t end;
    };
    virtual std::optional<Extent> next_data(std::uint64_t offset) = 0;
    /// What one chunk, or one hole, stands for.
    struct Chunk {
        std::uint64_t begin;
        std::uint64_t end;
        bool is_hole;
    };
    /// That `offset`, which lies in the stream, lies in.
    virtual Chunk chunk_at(std::uint64_t offset, const std::stop_token& stop) = 0;
    /// Whether `bytes`, a whole chunk's or a part of a hole's, are what lies at `offset`. Told by the chunk's name: no data is read.
    virtual bool chunk_equals(std::uint64_t offset, ByteSpan bytes, const std::stop_token& stop) = 0;
};

/// Walks a folder (or all below it) in path_less order, a folder before what is in it. One thread at a time.
class EntryCursor {
public:
    virtual ~EntryCursor() = default;
    /// Empty at the end. `path` is relative to the view. Throws Error{damaged} naming the folder that cannot be read; the next call goes on behind it.
    virtual std::optional<Entry> next() = 0;
    /// Leaves out what is below the folder that next() gave last.
    virtual void skip_children() = 0;
};

/// A subtree of a snapshot as sources (looking at their parent) and targets see it: paths are relative to its root, "" is the root itself.
/// Thread-safe. Cursors and streams must not outlive it.
class SnapshotView {
public:
    virtual ~SnapshotView() = default;
    /// Empty if there is none. Throws Error{damaged}.
    virtual std::optional<Entry> lookup(std::string_view path) = 0;
    enum class Depth { one_level, all_levels };
    /// Throws Error{not_found}.
    virtual std::unique_ptr<EntryCursor> walk(std::string_view path, Depth depth) = 0;
    /// `entry` came from this view. Throws Error{invalid} if it has no content.
    virtual std::unique_ptr<SnapshotStream> open_stream(const Entry& entry) = 0;
    /// The record the source left in finish(), as JSON text; "" if there is none or the view is no source's root.
    virtual std::string source_record() const = 0;
    /// The snapshot alone, where something else lies in front of it; null if there is none.
    virtual SnapshotView* committed() { return this; }
};

} // namespace backstay::core
