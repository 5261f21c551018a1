#pragma once

#include "base/error.hpp"
#include "format/snapshot_view.hpp"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// Something in the way of one entry, or of the whole source: reported, counted, and the work goes
/// on.
struct Problem {
    ErrorCode code = ErrorCode::source;
    std::string path;    ///< raw bytes, of the source; empty: the source itself
    std::string message; ///< what and why, without the path
};

/// Takes problems from any thread.
using ProblemSink = std::function<void(Problem)>;

/// How an entry's bytes become chunks.
struct ChunkPolicy {
    enum class Kind : std::uint8_t { by_kind = 0, cdc = 1, grid = 2, none = 3 };
    Kind kind = Kind::by_kind;
    std::uint32_t size = 0; ///< cdc: average; grid: size; 0: the repository's
};

/// An entry as a source gives it.
///
/// `entry.change_token`: the parent's bytes again mean that nothing changed, and the parent's
/// content is taken over unread; empty: the entry is read. `entry.content` is filled by whoever
/// reads.
struct SourceEntry {
    Entry entry;
    std::uint64_t item = 0;         ///< the source's own name for it in read, next_data, release
    bool sequential = false;        ///< its bytes are read before the lane's next entry, or never
    bool sparse = false;            ///< next_data says where data lies
    bool lacks_xattrs = false;      ///< complete() gives them; the token stands for them, too
    std::uint64_t lacked_flags = 0; ///< file flags of which the same is to be said
    /// A content of the parent's of which the entry has stretches unchanged: next_kept says which.
    std::optional<Content> kept_from;
    ChunkPolicy policy;
    std::string base; ///< path in the parent for reuse and delta; empty: the same path

    bool is_incomplete() const { return lacks_xattrs || lacked_flags != 0; }
};

struct SessionPlan {
    std::uint32_t lanes = 1;
    std::uint64_t entries = 0; ///< expected; 0: not known
    std::uint64_t bytes = 0;
};

struct SourceVerdict {
    enum class Kind : std::uint8_t { ok = 1, damaged = 2, failed = 3 };
    Kind kind = Kind::failed;
    std::uint64_t problems = 0; ///< besides those given to the sink
    std::string
        record; ///< the source's own, as JSON text (an object), kept in the snapshot; may be empty
    std::string message;
};

/// Thrown by read() or next() of a source that builds on its parent's bytes where these turn out to
/// be lost: the backup begins anew, and the source, opened again, does without.
class ParentUnreadable : public Error
{
public:
    using Error::Error;
};

/// Turns something that lives into entries with bytes, and says at the end whether what it gave is
/// whole.
///
/// Life of a session: open, then the lanes side by side (each drained by one thread at a time),
/// then finish, then settle exactly once after each open that succeeded, on failure and cancel too;
/// then it may be opened again. There is no push. Every wait has a deadline and sees the stop token
/// (Error{cancelled}). A failed read is a problem of its entry; a failed open, next or finish ends
/// the source.
class DataSource
{
public:
    virtual ~DataSource() = default;

    /// What it is, version, what it can do, as JSON text (an object with "kind").
    virtual std::string probe(const std::stop_token& stop) = 0;

    /// `parent`: the parent snapshot's subtree of this source, or null, as where everything is to
    /// be read; lives until settle. `problems` too.
    virtual SessionPlan open(SnapshotView* parent, ProblemSink problems, std::stop_token stop) = 0;

    /// The lane's next entry; empty at its end. Entries of one folder may come in any order and
    /// from any lane; paths are relative to the source's root.
    virtual std::optional<SourceEntry> next(std::uint32_t lane) = 0;

    /// What an incomplete entry lacks. Not asked where the parent's entry is taken over. What
    /// cannot be had is a problem, and clears the token: the next backup asks again.
    virtual void complete(std::uint32_t /*lane*/, std::uint64_t /*item*/, Entry& /*entry*/) {}

    /// Bytes of an entry of that lane, short or empty only at its end (a sequential one ignores no
    /// offset: it is read in order). Throws Error: a problem of the entry.
    virtual std::size_t read(std::uint32_t lane, std::uint64_t item, std::uint64_t offset,
                             MutableByteSpan buffer) = 0;

    /// Of a sparse entry: where data lies next; empty: a hole to the end.
    virtual std::optional<SnapshotStream::Extent> next_data(std::uint32_t lane, std::uint64_t item,
                                                            std::uint64_t offset) = 0;

    /// Of an entry with `kept_from`: the next stretch, at or after `offset`, whose bytes are those
    /// of that content at the same place; empty: none is left. A hint: it may be taken over unread,
    /// but read() gives these bytes, too. A sequential entry may be asked before it is read, and
    /// what it is read in order skips only what is kept.
    virtual std::optional<SnapshotStream::Extent>
    next_kept(std::uint32_t /*lane*/, std::uint64_t /*item*/, std::uint64_t /*offset*/)
    {
        return std::nullopt;
    }

    /// What the entry turned out to be (changed while it was read: then `now` has what holds now,
    /// without a change token). Asked before the entry is written to the tree.
    enum class Outcome {
        stable,   ///< what was read is what was there
        changed,  ///< changed while it was read: `now` holds its attributes now; read it again
        vanished, ///< gone since
    };
    virtual Outcome outcome(std::uint32_t lane, std::uint64_t item, Entry& now) = 0;
    /// The entry was taken: its bytes are not needed any more. Not of what a lane held when it
    /// failed or was stopped: settle() ends that.
    virtual void release(std::uint32_t lane, std::uint64_t item) = 0;

    /// All lanes are done; before the commit.
    virtual SourceVerdict finish() = 0;

    /// `committed` false: not, or not known.
    virtual void settle(bool committed) = 0;
};

} // namespace backstay::core
