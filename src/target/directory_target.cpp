#include "target/directory_target.hpp"

#include "base/worker_group.hpp"
#include "target/directory_target_state.hpp"

#include <cerrno>
#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

namespace
{

FileDescriptor open_root(const DirectoryTargetOptions& options)
{
    try {
        return open_root_folder(options.path, options.create_root && !options.dry_run);
    } catch (const Error& error) {
        if (options.dry_run && options.create_root && error.code() == ErrorCode::not_found) {
            return {};
        }
        throw;
    }
}

} // namespace

bool ends_restore(const Error& error)
{
    return error.code() == ErrorCode::no_space || error.code() == ErrorCode::cancelled ||
           error.code() == ErrorCode::no_memory || error.system_error() == EROFS;
}

[[noreturn]] void end_restore(const Error& error, const std::string& root)
{
    const char* advice = error.code() == ErrorCode::no_space
                             ? ". Make room there and restore again in the same way: what is "
                               "restored already is not fetched again"
                             : "";
    throw RestoreEnd(error.code(), fmt::format("{} (below {}){}", error.what(), root, advice),
                     error.subject(), error.system_error());
}

DirectoryTarget::State::State(DirectoryTargetOptions options, TargetEvents events)
    : options_(std::move(options)), events_(std::move(events)), root_(open_root(options_)),
      setter_({.owners = options_.owners, .numeric_owners = options_.numeric_owners}, shortfalls_),
      folder_descriptors_(DescriptorCache::sensible_limit()),
      file_descriptors_(DescriptorCache::sensible_limit()),
      file_context_{
          file_descriptors_, names_, setter_, options_.sparse,
          PlacementRules{options_.overwrite != Overwrite::never, options_.delete_extra, spare()}},
      comparison_(root_.get(), setter_),
      stack_(std::make_shared<Folder>(folder_descriptors_, root_.get(),
                                      root_ ? Folder::Origin::found : Folder::Origin::missing),
             [this](const FolderStack::Level& level) { leave_level(level); })
{
    if (root_ && !options_.dry_run) {
        file_systems_.add(root_.get(), Inode(root_.get()).status().st_dev);
    }
}

void DirectoryTarget::State::problem(ErrorCode code, const std::string& path,
                                     const std::string& message)
{
    if (events_.problem) {
        events_.problem({code, path, message});
    }
}

void DirectoryTarget::State::tell(PlanStep::Kind kind, const char* action, const std::string& path,
                                  std::uint64_t bytes, std::string message)
{
    if (events_.plan) {
        events_.plan({kind, action, path, bytes, std::move(message)});
    }
}

void DirectoryTarget::State::conflict(const std::string& path, const std::string& why)
{
    tell(PlanStep::Kind::conflict, "skip", path, 0, why);
    if (!options_.dry_run) {
        problem(ErrorCode::exists, path, why);
    }
}

void DirectoryTarget::State::progress(std::uint64_t entries, std::uint64_t written,
                                      std::uint64_t reused)
{
    if (events_.progress) {
        events_.progress(entries, written, reused);
    }
}

void DirectoryTarget::State::finish_folders(const std::stop_token& stop)
{
    if (ended_) {
        return;
    }
    make_deferred_links(stop);
    stack_.leave_all();
    remove_extras(stop);
    set_locks();
    folders_.drain([&](const WaitingFolder& folder) {
        throw_if_stopped(stop);
        finish_folder(folder);
    });
    if (options_.sync) {
        file_systems_.sync(options_.path);
    }
    shortfalls_.report(events_);
    if (options_.dry_run) {
        tell_space();
    }
    ended_ = true;
}

void DirectoryTarget::State::abandon() noexcept
{
    ended_ = true;
    try {
        std::unordered_map<File*, std::shared_ptr<File>> unfinished;
        {
            const std::lock_guard lock(mutex_);
            unfinished.swap(unfinished_);
        }
        for (const auto& [file, owner] : unfinished) {
            file->discard();
        }
        set_locks();
        folders_.drain([&](const WaitingFolder& folder) { put_folder_back(folder); });
    } catch (const std::exception&) {
        return; // what is left has a name that tells what it is
    }
}

DirectoryTarget::DirectoryTarget(DirectoryTargetOptions options, TargetEvents events)
    : state_(std::make_unique<State>(std::move(options), std::move(events)))
{
}

DirectoryTarget::~DirectoryTarget()
{
    abandon();
}

DirectoryTarget::Begun DirectoryTarget::begin(const Entry& entry)
{
    return state_->begin(entry);
}

void DirectoryTarget::leave_alone(const std::string& path)
{
    state_->leave_alone(path);
}

void DirectoryTarget::keep_extras()
{
    state_->keeps_extras_ = "the snapshot could not be read whole";
}

std::size_t DirectoryTarget::read_existing(File& file, std::uint64_t offset, MutableByteSpan buffer)
{
    return file.read_there(offset, buffer);
}

void DirectoryTarget::write(File& file, std::uint64_t offset, ByteSpan bytes)
{
    const std::uint64_t written = state_->write(file, offset, bytes);
    state_->progress(0, written, 0);
}

void DirectoryTarget::keep(const std::shared_ptr<File>& file)
{
    state_->keep(file);
}

void DirectoryTarget::finish(const std::shared_ptr<File>& file, Wholeness wholeness)
{
    state_->finish(file, wholeness);
}

void DirectoryTarget::finish_folders(const std::stop_token& stop)
{
    state_->finish_folders(stop);
}

void DirectoryTarget::verify_entry(
    const Entry& entry, const std::function<bool(const Entry&, int descriptor)>& same_bytes)
{
    state_->guarded(entry.path, [&] {
        if (!entry.path.empty() && !is_entry_path(entry.path)) {
            return; // begin() told it
        }
        std::string all;
        for (const std::string& word : state_->comparison_.differences(entry, same_bytes)) {
            all += (all.empty() ? "" : "; ") + word;
        }
        if (!all.empty()) {
            state_->problem(ErrorCode::target, entry.path, "differs from the snapshot: " + all);
        }
    });
}

void DirectoryTarget::abandon() noexcept
{
    state_->abandon();
}

} // namespace backstay::core
