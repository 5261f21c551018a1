#include "engine/restore_guard.hpp"

#include "base/error.hpp"
#include "base/real_place.hpp"
#include "format/encoding.hpp"
#include "repo/record_stream.hpp"
#include "source/tree_choice.hpp"

#include <sys/stat.h>
#include <utility>

namespace backstay::core
{

namespace
{

std::string join(const std::string& folder, const std::string& path)
{
    return folder.empty() || path.empty() ? folder + path : folder + "/" + path;
}

/// What comes behind `folder` in `path`; none if it lies elsewhere. Empty: it is that folder.
std::optional<std::string> below(const std::string& folder, const std::string& path)
{
    if (folder.empty() || path == folder) {
        return path.substr(folder.size());
    }
    return path.starts_with(folder + "/") ? std::optional(path.substr(folder.size() + 1))
                                          : std::nullopt;
}

} // namespace

RestoreGuard::RestoreGuard(const StoreDescription& store, SnapshotAccess& access,
                           const std::vector<RestorePart>& parts, std::string root,
                           unsigned strip_components, const std::stop_token& stop)
    : root_(std::move(root)), strip_components_(strip_components), access_(access), wanted_(parts),
      stop_(stop)
{
    find_repository(store);
    for (const RestorePart& part : parts) {
        const std::string whole = snapshot_path(part.path);
        for (const SnapshotSource& source : access.snapshot().record.sources) {
            const auto base = below(source.name, whole);
            if (source.kind == "tree" && base) {
                add_part(source, part, *base);
            }
        }
    }
}

void RestoreGuard::find_repository(const StoreDescription& store)
{
    if (store.kind != "local") {
        return;
    }
    const auto repository = real_place(store.uri);
    const auto root = real_place(root_);
    if (!repository || !root) {
        return;
    }
    if (below(*repository, *root)) {
        throw Error(ErrorCode::invalid,
                    "it lies in the repository that is read: restore into another folder", root_);
    }
    repository_ = below(*root, *repository);
}

void RestoreGuard::add_part(const SnapshotSource& source, const RestorePart& part,
                            const std::string& base)
{
    TreeSourceOptions choice;
    apply_choice(source.record, choice);
    TreeFilter filter(choice);
    parts_.push_back({part.prefix, base, source.roots, std::move(choice), std::move(filter)});
}

void RestoreGuard::note_unsaved() const
{
    unsaved_.clear(); // a try before this one may have failed
    const SnapshotRecord& record = access_.snapshot().record;
    std::uint64_t read = 0;
    read_records(access_.reader(), record.problems, stop_, [&](ByteSpan bytes) {
        Decoder decoder(bytes, "problem");
        const ProblemRecord problem = decode_problem(decoder);
        ++read;
        const std::size_t begin = problem.path.find_first_not_of('/');
        const std::string inside =
            begin == std::string::npos ? std::string() : problem.path.substr(begin);
        for (const RestorePart& part : wanted_) {
            if (inside.empty()) {
                continue; // of the source as a whole
            }
            const auto rest = below(snapshot_path(part.path), join(problem.source, inside));
            std::string here =
                rest ? stripped_path(join(part.prefix, *rest), strip_components_) : std::string();
            if (!here.empty()) {
                unsaved_.insert(std::move(here));
            }
        }
    });
    all_unsaved_known_ = read >= record.counts.problems;
}

bool RestoreGuard::is_in_repository(const std::string& path) const
{
    return repository_ && below(*repository_, path);
}

void RestoreGuard::spare_contents(const std::string& path)
{
    const std::lock_guard lock(mutex_);
    left_out_.insert(path);
}

bool RestoreGuard::spares_contents(const std::string& path) const
{
    const std::lock_guard lock(mutex_);
    return left_out_.contains(path);
}

/// It or a folder above it.
bool RestoreGuard::was_not_saved(const std::string& path) const
{
    for (std::size_t end = path.size(); !unsaved_.empty() && end != std::string::npos && end > 0;
         end = path.rfind('/', end - 1)) {
        if (unsaved_.contains(path.substr(0, end))) {
            return true;
        }
    }
    return false;
}

/// The innermost that `path` lies in.
const RestoreGuard::Part* RestoreGuard::part_of(const std::string& path) const
{
    const Part* found = nullptr;
    for (const Part& part : parts_) {
        const bool inside = below(part.prefix, path).has_value();
        if (inside && (found == nullptr || part.prefix.size() >= found->prefix.size())) {
            found = &part;
        }
    }
    return found;
}

/// Where names were stripped nobody knows which: then only what a pattern says of the rest counts.
std::string RestoreGuard::in_source(const Part& part, const std::string& path) const
{
    return strip_components_ != 0 ? path : join(part.base, below(part.prefix, path).value_or(""));
}

bool RestoreGuard::on_other_file_system(const Part& part, int folder, const std::string& path) const
{
    struct stat here {
    };
    if (!part.choice.one_file_system || fstat(folder, &here) != 0) {
        return false;
    }
    const std::string inside = in_source(part, path);
    std::string top;
    for (const std::string& root : part.roots) {
        const auto names = below(root.substr(1), inside);
        if (names && names->size() < path.size()) {
            top = path.substr(0, path.size() - names->size());
        }
    }
    struct stat above {
    };
    return stat((root_ + "/" + top).c_str(), &above) == 0 && above.st_dev != here.st_dev;
}

std::string RestoreGuard::why_spared(int folder, const std::string& name,
                                     const std::string& path) const
{
    if (is_in_repository(path)) {
        return "it is the repository that is read";
    }
    std::call_once(unsaved_noted_, [this] { note_unsaved(); });
    if (!all_unsaved_known_) {
        return "the backup had more problems than the snapshot could keep";
    }
    if (was_not_saved(path)) {
        return "the backup could not save it";
    }
    if (name.empty() && spares_contents(path)) {
        return "the backup left out what is in it";
    }
    const Part* part = part_of(path);
    if (part == nullptr) {
        return {};
    }
    if (name.empty()) {
        if (part->filter.only_kept_name(folder) != nullptr) {
            return "the backup left out what is in it, for a file there says so";
        }
        return on_other_file_system(*part, folder, path) ? "the backup left out other file systems"
                                                         : std::string();
    }
    FileStatus status;
    const bool left_out = read_status(folder, name, status) == 0 &&
                          part->filter.leaves_out(in_source(*part, path), status);
    return left_out ? "the backup left it out" : std::string();
}

} // namespace backstay::core
