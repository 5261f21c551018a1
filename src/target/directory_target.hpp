#pragma once

#include "target/target.hpp"

#include <functional>
#include <memory>
#include <string>

namespace backstay::core
{

enum class Overwrite { always, if_changed, if_newer, never };

struct DirectoryTargetOptions {
    std::string path;        ///< the root; in place: "/"
    bool create_root = true; ///< make `path` and its parents if need be
    Overwrite overwrite = Overwrite::always;
    bool delete_extra =
        false;           ///< remove what the snapshot does not have, in the folders that it has
    bool sparse = false; ///< runs of zeros become holes, too
    bool owners = true;  ///< false: --no-owner
    bool numeric_owners = false; ///< else by name where the name exists here, then by number
    bool dry_run = false;        ///< decides and tells, touches nothing
    /// Why something is to stay that would be removed; empty: it may go. Asked of `name` in
    /// `folder`, an open descriptor, and with an empty `name` of all that is in `folder`; `path` is
    /// relative to the root. What stays is told as a plan step "skip".
    std::function<std::string(int folder, const std::string& name, const std::string& path)>
        why_spared = {};
    bool sync = false; ///< finish_folders() returns when everything is on the disk
};

/// Makes a tree again below a root folder, from files filled in any order.
///
/// The engine walks the snapshot and calls begin() in path_less order; folders, symlinks, devices
/// and so on are made at once, files that need bytes give a handle. Bytes then arrive by write(),
/// from any thread, in any order; finish() sets attributes and puts the file in its place.
/// finish_folders() comes last: extras removed, folders' attributes and times set, deepest first.
///
/// Never leaves its root, never follows a symlink below it (one in the way is replaced, or is a
/// conflict, as `overwrite` says; always one where a folder without times is to be, which is above
/// what was saved, if it leads to a folder). Where nothing is, files are created directly under
/// their name; where something is, beside it and renamed over it, so an interrupted restore leaves
/// each file old or new, and what it had not finished is removed on abandon() or recognised by its
/// name
/// (".backstay-restore-…"). Where it decides by the age of what is there, everything is made
/// beside, so that the half of a file is never taken for a newer one. Nothing is written through an
/// existing hard link. Paths may be longer than PATH_MAX. What its user or the file system cannot
/// do is reported once a kind, at the end, and the rest is done.
///
/// How `overwrite` decides: `never` keeps whatever is there; `if_newer` keeps what was modified
/// after the snapshot's; `if_changed` takes content for equal where kind, size and time are;
/// `always` leaves that to who compares the bytes (read_existing(), keep()). Kept things are told
/// as plan steps "skip", in a dry run or not; a thing of another kind that is kept, as a conflict.
class DirectoryTarget
{
public:
    /// Throws Error{target, not_found, denied} if the root cannot be used.
    DirectoryTarget(DirectoryTargetOptions options, TargetEvents events);
    ~DirectoryTarget();

    class File; ///< a file being filled; must not outlive the target

    struct Begun {
        std::shared_ptr<File> file; ///< null: nothing to write
        std::uint64_t existing = 0; ///< bytes that lie there now, readable by read_existing()
    };
    /// In path_less order (else nothing counts as extra), one thread at a time (beside the others'
    /// write() and finish()); `entry.path` is relative to the root, "" is the root itself (without
    /// attributes it only says that its content is the snapshot's). Hard links: the first of a
    /// `link` identity is made, the others become links to it (once it is finished). Problems of
    /// the entry go to the events; throws only what ends the restore (no_space, cancelled, a
    /// read-only file system).
    Begun begin(const Entry& entry);

    /// The snapshot has something at `path` that is not restored (it was left out, or cannot be
    /// read): nothing at it or below counts as extra. In the order of begin(); of a folder that
    /// begin() was called for, right behind that.
    void leave_alone(const std::string& path);

    /// A part of the snapshot could not be read, so nobody knows what else it has: nothing counts
    /// as extra any more.
    void keep_extras();

    /// What lies at the file's place now, so that equal bytes need not be fetched; 0 where it
    /// cannot be read. Thread-safe.
    std::size_t read_existing(File& file, std::uint64_t offset, MutableByteSpan buffer);

    /// Thread-safe. Holes are simply not written. Bytes taken from the existing file are written,
    /// too, except where the file is kept whole (keep()).
    void write(File& file, std::uint64_t offset, ByteSpan bytes);

    /// All of its bytes equal what is there: only attributes are set. Instead of any write().
    /// Thread-safe.
    void keep(const std::shared_ptr<File>& file);

    enum class Wholeness { whole, damaged };
    /// All bytes were written. damaged: some could not be had; the file is not put in place (what
    /// was there stays, a new one is removed), and a problem is reported by the caller.
    /// Thread-safe.
    void finish(const std::shared_ptr<File>& file, Wholeness wholeness);

    /// Requires: every file was kept or finished.
    void finish_folders(const std::stop_token& stop);

    /// Reads everything again and compares attributes; contents by `same_bytes(entry, descriptor)`.
    /// For --verify.
    void verify_entry(const Entry& entry,
                      const std::function<bool(const Entry&, int descriptor)>& same_bytes);

    /// Removes what is unfinished. Also done by the destructor.
    void abandon() noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
