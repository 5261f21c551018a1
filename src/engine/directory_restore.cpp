#include "engine/directory_restore.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "repo/content_reader.hpp"

#include <cerrno>
#include <fmt/core.h>
#include <limits>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

DirectoryTargetOptions guarded(DirectoryTargetOptions target, const RestoreGuard& guard,
                               bool dry_run)
{
    target.dry_run = dry_run;
    target.why_spared = [&guard](int folder, const std::string& name, const std::string& path) {
        return guard.why_spared(folder, name, path);
    };
    return target;
}

/// In a file: where the next bytes lie that are not in a hole. Without any: beyond all.
std::uint64_t begin_of_data(int descriptor, std::uint64_t offset)
{
    const off_t data = ::lseek(descriptor, static_cast<off_t>(offset), SEEK_DATA);
    if (data >= 0) {
        return static_cast<std::uint64_t>(data);
    }
    return errno == ENXIO ? std::numeric_limits<std::uint64_t>::max() : offset;
}

} // namespace

DirectoryRestore::DirectoryRestore(Repository& repository, SnapshotAccess& access,
                                   RestoreGuard& guard, DirectoryTargetOptions target,
                                   TargetEvents events, const RestoreOptions& options,
                                   const EngineLimits& limits, JobContext& context)
    : repository_(repository), access_(access), guard_(guard), options_(options), context_(context),
      events_(std::move(events)),
      target_(guarded(std::move(target), guard, options.dry_run), events_),
      walk_(access, options, context.stop()),
      window_(static_cast<std::size_t>(limits.memory / 8 / sizeof(PlannedChunk))),
      reader_(
          repository, access, limits,
          [this](PlannedFile& file, std::uint64_t offset, ByteSpan bytes) {
              target_.write(*file.file, offset, bytes);
          },
          [this](PlannedFile& file) { finish(file); },
          [this](PlannedFile& file, const std::string& why) { damaged(file.path, why); })
{
}

void DirectoryRestore::run(const std::vector<RestorePart>& parts)
{
    if (parts.size() == 1) {
        // Told that its root is a folder of the snapshot, the target knows that folder's extras.
        if (const auto root = walk_.root_of(parts.front())) {
            note_left_out(*root);
            target_.begin(*root);
        }
    }
    const RestoreWalk::Events placing{
        [this](const Entry& entry) { place(entry); },
        [this](const std::string& path) { target_.leave_alone(path); },
        [this](const std::string& path, const std::string& why) {
            damaged(path, why);
            target_.keep_extras();
        }};
    for (const RestorePart& part : parts) {
        walk_.run(part, placing);
    }
    for (const std::string& pattern : walk_.unmatched()) {
        events_.problem({ErrorCode::not_found, "",
                         fmt::format("nothing matches '{}', which was to be included", pattern)});
    }
    run_window();
    target_.finish_folders(context_.stop());
    if (options_.verify && !options_.dry_run) {
        const RestoreWalk::Events verifying{
            [this](const Entry& entry) { verify(entry); }, [](const std::string&) {},
            [this](const std::string& path, const std::string& why) { damaged(path, why); }};
        for (const RestorePart& part : parts) {
            walk_.run(part, verifying);
        }
    }
}

void DirectoryRestore::damaged(const std::string& path, const std::string& why)
{
    events_.problem({ErrorCode::damaged, path, why});
}

/// True: `path` lies in the repository, whose objects are as they have to be.
bool DirectoryRestore::leave_repository(const std::string& path)
{
    if (!guard_.is_in_repository(path)) {
        return false;
    }
    if (!std::exchange(left_repository_, true)) {
        events_.problem(
            {ErrorCode::exists, path, "it is the repository that is read, and stays as it is"});
        target_.leave_alone(path);
    }
    return true;
}

void DirectoryRestore::note_left_out(const Entry& folder)
{
    if (folder.contents_left_out) {
        guard_.spare_contents(folder.path);
    }
}

void DirectoryRestore::place(const Entry& entry)
{
    if (leave_repository(entry.path)) {
        return;
    }
    context_.set_current(entry.path);
    note_left_out(entry);
    if (options_.list) {
        context_.emit(entry_record(entry, entry.path));
    }
    if (entry.damaged) {
        damaged(entry.path, "was not whole when it was saved");
    }
    DirectoryTarget::Begun begun = target_.begin(entry);
    if (!begun.file || options_.dry_run) {
        return;
    }
    if (begun.existing > 0 && keep_existing(entry, begun)) {
        return;
    }
    plan_file(entry, begun);
    if (window_.full()) {
        run_window();
    }
}

/// True if all that lies there is right already.
bool DirectoryRestore::keep_existing(const Entry& entry, const DirectoryTarget::Begun& begun)
{
    if (begun.existing != entry.size) {
        return false;
    }
    ExistingBytes existing = existing_bytes(begun);
    bool equal = true;
    try {
        for_each_chunk(access_.reader(), entry.content, context_.stop(),
                       [&](std::uint64_t offset, const ContentItem& item) {
                           equal = existing.equals(offset, item);
                           return equal;
                       });
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        return false; // whatever it is, planning the file says it
    }
    if (equal) {
        target_.keep(begun.file);
    }
    return equal;
}

void DirectoryRestore::plan_file(const Entry& entry, const DirectoryTarget::Begun& begun)
{
    const std::uint32_t file = window_.add_file(begun.file, entry.path);
    ++window_.files()[file].waiting; // so that it cannot be finished before all of it is planned
    ExistingBytes existing = existing_bytes(begun);
    std::uint32_t current = file;
    try {
        for_each_chunk(access_.reader(), entry.content, context_.stop(),
                       [&](std::uint64_t offset, const ContentItem& item) {
                           plan_item(current, *begun.file, begun.existing, existing, offset, item);
                           if (window_.full()) {
                               current = continue_in_next_window(begun, entry);
                           }
                           return true;
                       });
    } catch (const Error& error) {
        const bool lost =
            error.code() == ErrorCode::damaged || error.code() == ErrorCode::not_found;
        if (!lost) {
            throw;
        }
        window_.files()[current].damaged = true;
        damaged(entry.path, error.what());
    }
    PlannedFile& planned = window_.files()[current];
    if (--planned.waiting == 0) {
        finish(planned);
    }
}

void DirectoryRestore::plan_item(std::uint32_t file, DirectoryTarget::File& target,
                                 std::uint64_t there, ExistingBytes& existing, std::uint64_t offset,
                                 const ContentItem& item)
{
    if (item.is_hole()) {
        return;
    }
    if (offset + item.length <= there && existing.equals(offset, item)) {
        target_.write(target, offset, existing.last_chunk());
        // Counted as written by the target, which cannot tell.
        events_.progress(0, std::uint64_t{0} - item.length, item.length);
        return;
    }
    const std::vector<BlobPlace> places = access_.index().find(item.id);
    if (places.empty()) { // no segment tells of it any more: the reader knows where else to look
        target_.write(target, offset,
                      access_.reader().read(item.id, BlobKind::data, context_.stop()));
        return;
    }
    if (places.front().length != item.length) {
        throw Error(ErrorCode::damaged,
                    fmt::format("blob {} is not as long as its file says", item.id.hex()));
    }
    window_.add_chunk({file, offset, item.id, places.front()});
}

/// A file with more chunks than a window holds goes on in the next, still unfinished.
std::uint32_t DirectoryRestore::continue_in_next_window(const DirectoryTarget::Begun& begun,
                                                        const Entry& entry)
{
    run_window();
    const bool was_damaged = std::exchange(carried_damage_, false);
    const std::uint32_t file = window_.add_file(begun.file, entry.path);
    window_.files()[file].damaged = was_damaged;
    ++window_.files()[file].waiting;
    return file;
}

void DirectoryRestore::run_window()
{
    if (window_.empty()) {
        return;
    }
    reader_.run(window_, context_.stop());
    for (const PlannedFile& file : window_.files()) {
        carried_damage_ = carried_damage_ || (file.waiting > 0 && file.damaged);
    }
    window_.clear();
}

void DirectoryRestore::finish(PlannedFile& file)
{
    target_.finish(file.file, file.damaged ? DirectoryTarget::Wholeness::damaged
                                           : DirectoryTarget::Wholeness::whole);
    file.file.reset();
}

void DirectoryRestore::verify(const Entry& entry)
{
    if (guard_.is_in_repository(entry.path)) {
        return;
    }
    context_.set_current(entry.path);
    target_.verify_entry(entry, [this](const Entry& wanted, int descriptor) {
        ExistingBytes existing(
            repository_.keys(),
            [descriptor, &wanted](std::uint64_t offset, MutableByteSpan buffer) {
                return read_at(descriptor, offset, buffer, wanted.path);
            },
            // Its size has been compared: behind the last data are zeros.
            [descriptor](std::uint64_t offset) { return begin_of_data(descriptor, offset); });
        bool equal = wanted.content.size() == wanted.size;
        for_each_chunk(access_.reader(), wanted.content, context_.stop(),
                       [&](std::uint64_t offset, const ContentItem& item) {
                           equal = equal && existing.equals(offset, item);
                           return equal;
                       });
        return equal;
    });
}

ExistingBytes DirectoryRestore::existing_bytes(const DirectoryTarget::Begun& begun)
{
    return {repository_.keys(),
            [this, file = begun.file](std::uint64_t offset, MutableByteSpan buffer) {
                return target_.read_existing(*file, offset, buffer);
            }};
}

} // namespace backstay::core
