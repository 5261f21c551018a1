#pragma once

#include "backstay.h"
#include "base/record.hpp"
#include "engine/job_context.hpp"
#include "engine/options.hpp"
#include "engine/snapshot_access.hpp"
#include "job_slot.hpp"
#include "repo/repository.hpp"
#include "repo/snapshot_catalog.hpp"
#include "source/data_source.hpp"
#include "store/request_prices.hpp"
#include "target/directory_target.hpp"
#include "target/target.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

/// What the handles of the C ABI hold. A handle owns references, so that children keep their
/// parents' memory alive in any order of free.

struct backstay_record {
    backstay::core::Record record;
    std::string json; ///< made on demand
    std::vector<std::unique_ptr<backstay_record>>
        children; ///< of record and list fields, by field, made on demand
};

struct backstay_options {
    backstay::core::OptionSet set;
};

namespace backstay::capi
{

/// What all operations of one engine share. Thread-safe.
class EngineState
{
public:
    EngineState(const core::OptionSet& options, backstay_log log, void* user,
                void (*destroy)(void*));
    ~EngineState();
    EngineState(const EngineState&) = delete;

    const core::EngineLimits& limits() const { return limits_; }
    const std::string& cache_folder() const { return cache_folder_; } ///< empty: none
    std::uint64_t cache_limit() const { return cache_limit_; }
    std::uint64_t limit_upload() const { return limit_upload_; }
    std::uint64_t limit_download() const { return limit_download_; }
    bool low_priority() const { return low_priority_; }
    void log(const char* level, const std::string& message);
    /// Throws Error{forked} in a child process.
    void check_process() const;
    bool is_of_this_process() const;
    /// Stores of "memory:NAME".
    std::shared_ptr<core::ObjectStore> memory_store(const std::string& name);

private:
    core::EngineLimits limits_;
    std::string cache_folder_;
    std::uint64_t cache_limit_;
    std::uint64_t limit_upload_;
    std::uint64_t limit_download_;
    bool low_priority_;
    backstay_log log_;
    void* user_;
    void (*destroy_)(void*);
    pid_t process_;
    std::mutex mutex_; // guards log_'s calls and memory_stores_
    std::map<std::string, std::shared_ptr<core::ObjectStore>> memory_stores_;
};

using EngineRef = std::shared_ptr<EngineState>;

/// A repository and whether it was closed. Thread-safe.
struct RepositoryState {
    EngineRef engine;
    std::shared_ptr<core::Repository> repository;
    std::atomic<bool> closed{false};
    std::stop_source closing; ///< stops what hangs on it
    /// Throws Error{closed, forked}.
    core::Repository& open() const;
};
using RepositoryRef = std::shared_ptr<RepositoryState>;

/// What a token and everything that was given it share.
struct CancelState {
    std::atomic<bool> triggered{false};
    int event = -1;
    pid_t process = ::getpid(); ///< whose it is
    std::stop_source stop;
    ~CancelState();
};

/// The token of a call's `cancel` argument; NULL: one that is never stopped.
std::stop_token stop_of(const backstay_cancel* cancel);

/// "path" with its length or BACKSTAY_NUL. Throws Error{invalid} for NULL or a NUL inside.
std::string path_argument(const char* path, size_t length);

/// The options given, or defaults of `scope`. Throws Error{invalid} if they are of another scope.
const core::OptionSet& options_or_default(const backstay_options* options, const char* scope,
                                          std::optional<core::OptionSet>& storage);

/// Fills a caller's entry with pointers into `entry`, which must stay. `xattrs` holds the array.
void fill_entry(backstay_entry* out, const core::Entry& entry, std::vector<backstay_xattr>& xattrs);

backstay_record* new_record(core::Record record);

/// Size of the cache below `folder`; `clean` removes it.
core::Record describe_cache(const std::string& folder, bool clean, const std::stop_token& stop);

} // namespace backstay::capi

struct backstay_engine {
    backstay::capi::EngineRef state;
};
struct backstay_cancel {
    std::shared_ptr<backstay::capi::CancelState> state;
    std::shared_ptr<void> watcher; ///< the thread that sees the trigger
};
struct backstay_store {
    backstay::capi::EngineRef engine;
    std::shared_ptr<backstay::core::ObjectStore> store;
    backstay::core::RequestPrices prices;
};
struct backstay_source {
    backstay::capi::EngineRef engine;
    std::string kind;
    std::vector<std::string> roots;
    std::shared_ptr<backstay::core::DataSource> source;
    /// A tree's, so that a backup's `force` reaches it and verify can make it anew.
    std::function<std::shared_ptr<backstay::core::DataSource>(bool force)> remake;
    backstay::capi::JobSlot slot;
};
struct backstay_target {
    backstay::capi::EngineRef engine;
    std::optional<backstay::core::DirectoryTargetOptions> directory;
    bool in_place = false;
    std::shared_ptr<backstay::core::Target> target;
    backstay::capi::JobSlot slot;
};
struct backstay_repository {
    backstay::capi::RepositoryRef state;
};
struct backstay_snapshot {
    backstay::capi::RepositoryRef repository;
    backstay::core::Snapshot snapshot;
    std::unique_ptr<backstay_record> record;
};
struct backstay_view {
    backstay::capi::RepositoryRef repository; ///< null: a view lent to a callback
    std::shared_ptr<backstay::core::SnapshotAccess> access;
    std::shared_ptr<backstay::core::SnapshotView> view;
    std::stop_token stop;
    std::unique_ptr<backstay_record> record; ///< null: none
};
struct backstay_tree {
    backstay::capi::RepositoryRef repository;
    std::shared_ptr<backstay::core::SnapshotAccess> access;
    std::shared_ptr<backstay::core::SnapshotView> view;
    backstay::core::Entry self;
    std::unique_ptr<backstay::core::EntryCursor> cursor;
    backstay::core::Entry current;
    std::vector<backstay_xattr> xattrs;
};
struct backstay_stream {
    backstay::capi::RepositoryRef repository;
    std::shared_ptr<backstay::core::SnapshotAccess> access;
    std::shared_ptr<backstay::core::SnapshotView> view;
    std::shared_ptr<backstay::core::SnapshotStream> stream;
    std::stop_token stop;
};

namespace backstay::capi
{

inline bool is_of_this_process(const EngineRef& engine)
{
    return engine->is_of_this_process();
}
inline bool is_of_this_process(const RepositoryRef& repository)
{
    return !repository || is_of_this_process(repository->engine);
}

/// What every backstay_x_free does: `owner` is the member that holds the engine or the repository.
/// In a child process the handle is left alone: its threads did not come along, and its sessions in
/// the store are the parent's.
template <typename Handle, typename Owner>
void free_handle(Handle* handle, Owner owner)
{
    if (handle != nullptr && is_of_this_process(std::invoke(owner, *handle))) {
        delete handle;
    }
}

} // namespace backstay::capi
