#include "guarded.hpp"
#include "handles.hpp"
#include "job.hpp"
#include "operation_options.hpp"

#include "engine/objects.hpp"
#include "engine/store_selftest.hpp"
#include "engine/verify.hpp"

using backstay::capi::guarded;
using backstay::capi::need;
using backstay::capi::options_or_default;
using backstay::capi::path_argument;
using backstay::capi::RepositoryRef;
using backstay::core::EngineLimits;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::JobContext;
using backstay::core::OptionSet;
using backstay::core::Record;
using backstay::core::Repository;
using Gives = backstay_job::Gives;

namespace
{

/// Starts `run(Repository&, const EngineLimits&, JobContext&)` as a job that hangs on the
/// repository.
template <typename Run>
void start(backstay_job** job, const RepositoryRef& state, const char* operation, Gives gives,
           backstay_cancel* cancel, Run run)
{
    state->open();
    const auto work = [state, run = std::move(run)](JobContext& context) -> Record {
        return run(state->open(), state->engine->limits(), context);
    };
    need(job, "job") =
        new backstay_job(state->engine, operation, gives, work, backstay::capi::stop_of(cancel),
                         state->closing.get_token());
}

/// An operation on a whole repository: options are read by `read(OptionSet)` before it starts.
template <typename Read, typename Run>
backstay_status start_on_repository(backstay_repository* repository, const char* scope, Gives gives,
                                    const backstay_options* options, backstay_cancel* cancel,
                                    backstay_job** job, backstay_error** error, Read&& read,
                                    Run run)
{
    return guarded(error, [&] {
        const RepositoryRef& state = need(repository, "repository").state;
        std::optional<OptionSet> storage;
        auto given = read(options_or_default(options, scope, storage));
        start(job, state, scope, gives, cancel,
              [given, run](Repository& open, const EngineLimits& limits, JobContext& context) {
                  return run(open, given, limits, context);
              });
        return BACKSTAY_OK;
    });
}

} // namespace

extern "C" {

backstay_status backstay_restore_start(backstay_snapshot* snapshot, const char* path, size_t length,
                                       backstay_target* target, const backstay_options* options,
                                       backstay_cancel* cancel, backstay_job** job,
                                       backstay_error** error)
{
    return guarded(error, [&] {
        need(snapshot, "snapshot");
        need(target, "target");
        std::optional<OptionSet> storage;
        const auto given =
            backstay::capi::restore_options(options_or_default(options, "restore", storage));
        const std::string where = path_argument(path, length);
        const Gives gives = given.list || given.dry_run ? Gives::listings : Gives::problems;
        const auto restore = [given, where, from = snapshot->snapshot,
                              directory = target->directory, in_place = target->in_place,
                              pulling = target->target](Repository& open,
                                                        const EngineLimits& limits,
                                                        JobContext& context) {
            if (!directory) {
                return backstay::core::restore_to_target(open, from, where, *pulling, given, limits,
                                                         context);
            }
            return in_place ? backstay::core::restore_in_place(open, from, where, *directory, given,
                                                               limits, context)
                            : backstay::core::restore_to_directory(open, from, where, *directory,
                                                                   given, limits, context);
        };
        target->slot.take_for_good();
        start(job, snapshot->repository, "restore", gives, cancel, restore);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_verify_start(backstay_snapshot* snapshot, const char* source_name,
                                      backstay_source* source, const backstay_options* options,
                                      backstay_cancel* cancel, backstay_job** job,
                                      backstay_error** error)
{
    return guarded(error, [&] {
        need(snapshot, "snapshot");
        std::optional<OptionSet> storage;
        options_or_default(options, "verify", storage);
        const std::string name = source_name != nullptr ? source_name : "files";
        const auto living = source != nullptr ? source->source : nullptr;
        const auto taken = source != nullptr ? source->slot.take_for_a_while() : nullptr;
        const auto verify = [name, living, taken, from = snapshot->snapshot](
                                Repository& open, const EngineLimits& limits, JobContext& context) {
            const auto chosen =
                living ? living : backstay::core::recorded_source(from, name, limits);
            return backstay::core::run_verify(open, from, name, *chosen, limits, context);
        };
        start(job, snapshot->repository, "verify", Gives::listings, cancel, verify);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_entries_start(backstay_snapshot* snapshot, const char* path, size_t length,
                                       const backstay_options* options, backstay_cancel* cancel,
                                       backstay_job** job, backstay_error** error)
{
    return guarded(error, [&] {
        need(snapshot, "snapshot");
        std::optional<OptionSet> storage;
        const OptionSet& set = options_or_default(options, "entries", storage);
        const backstay::core::EntriesOptions given{set.flag("recursive"), set.flag("problems")};
        const auto list = [given, where = path_argument(path, length), from = snapshot->snapshot](
                              Repository& open, const EngineLimits& limits, JobContext& context) {
            return backstay::core::list_entries(open, from, where, given, limits, context);
        };
        start(job, snapshot->repository, "ls", Gives::listings, cancel, list);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_diff_start(backstay_snapshot* before, const char* path, size_t length,
                                    backstay_snapshot* after, const char* after_path,
                                    size_t after_length, const backstay_options* options,
                                    backstay_cancel* cancel, backstay_job** job,
                                    backstay_error** error)
{
    return guarded(error, [&] {
        need(before, "before");
        need(after, "after");
        if (before->repository != after->repository) {
            throw Error(ErrorCode::invalid, "the two snapshots are of different repositories");
        }
        std::optional<OptionSet> storage;
        const backstay::core::DiffOptions given{
            options_or_default(options, "diff", storage).flag("metadata")};
        const auto diff = [given, from = before->snapshot, where = path_argument(path, length),
                           to = after->snapshot, there = path_argument(after_path, after_length)](
                              Repository& open, const EngineLimits& limits, JobContext& context) {
            return backstay::core::diff_snapshots(open, from, where, to, there, given, limits,
                                                  context);
        };
        start(job, before->repository, "diff", Gives::listings, cancel, diff);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_check_start(backstay_repository* repository,
                                     const backstay_options* options, backstay_cancel* cancel,
                                     backstay_job** job, backstay_error** error)
{
    return start_on_repository(repository, "check", Gives::problems, options, cancel, job, error,
                               backstay::capi::check_options, backstay::core::run_check);
}

backstay_status backstay_scrub_start(backstay_store* store, const backstay_options* options,
                                     backstay_cancel* cancel, backstay_job** job,
                                     backstay_error** error)
{
    return guarded(error, [&] {
        const backstay::capi::EngineRef engine = need(store, "store").engine;
        engine->check_process();
        std::optional<OptionSet> storage;
        const backstay::core::ScrubOptions given{
            options_or_default(options, "scrub", storage).percent("percent")};
        const auto work = [engine, given, objects = store->store](JobContext& context) {
            return backstay::core::run_scrub(*objects, given, engine->limits(), context);
        };
        need(job, "job") = new backstay_job(engine, "scrub", Gives::problems, work,
                                            backstay::capi::stop_of(cancel), {});
        return BACKSTAY_OK;
    });
}

backstay_status backstay_store_selftest_start(backstay_store* store,
                                              const backstay_options* options,
                                              backstay_cancel* cancel, backstay_job** job,
                                              backstay_error** error)
{
    return guarded(error, [&] {
        const backstay::capi::EngineRef engine = need(store, "store").engine;
        engine->check_process();
        std::optional<OptionSet> storage;
        options_or_default(options, "selftest", storage);
        const auto work = [objects = store->store](JobContext& context) {
            return backstay::core::run_store_selftest(*objects, context);
        };
        need(job, "job") = new backstay_job(engine, "self-test", Gives::listings, work,
                                            backstay::capi::stop_of(cancel), {});
        return BACKSTAY_OK;
    });
}

backstay_status backstay_snapshots_start(backstay_repository* repository,
                                         const backstay_options* options, backstay_cancel* cancel,
                                         backstay_job** job, backstay_error** error)
{
    return start_on_repository(
        repository, "snapshots", Gives::listings, options, cancel, job, error,
        backstay::capi::snapshots_options,
        [](Repository& open, const auto& given, const EngineLimits&, JobContext& context) {
            return backstay::core::list_snapshot_records(open, given, context);
        });
}

backstay_status backstay_objects_start(backstay_repository* repository,
                                       const backstay_options* options, backstay_cancel* cancel,
                                       backstay_job** job, backstay_error** error)
{
    return start_on_repository(
        repository, "objects", Gives::listings, options, cancel, job, error,
        [](const OptionSet& set) { return set.text("kind"); },
        [](Repository& open, const std::string& kind, const EngineLimits&, JobContext& context) {
            return backstay::core::list_objects(open, kind, context);
        });
}

backstay_status backstay_find_start(backstay_repository* repository,
                                    const backstay_options* options, backstay_cancel* cancel,
                                    backstay_job** job, backstay_error** error)
{
    return start_on_repository(repository, "find", Gives::listings, options, cancel, job, error,
                               backstay::capi::find_options, backstay::core::find_entries);
}

backstay_status backstay_stats_start(backstay_repository* repository,
                                     const backstay_options* options, backstay_cancel* cancel,
                                     backstay_job** job, backstay_error** error)
{
    return start_on_repository(
        repository, "stats", Gives::problems, options, cancel, job, error,
        [](const OptionSet& set) {
            return std::make_pair(set.texts("snapshot"), backstay::capi::filter_of(set));
        },
        [](Repository& open, const auto& given, const EngineLimits& limits, JobContext& context) {
            return backstay::core::repository_stats(open, given.first, given.second, limits,
                                                    context);
        });
}

backstay_status backstay_forget_start(backstay_repository* repository,
                                      const backstay_options* options, backstay_cancel* cancel,
                                      backstay_job** job, backstay_error** error)
{
    return start_on_repository(repository, "forget", Gives::listings, options, cancel, job, error,
                               backstay::capi::forget_options, backstay::core::run_forget);
}

backstay_status backstay_prune_start(backstay_repository* repository,
                                     const backstay_options* options, backstay_cancel* cancel,
                                     backstay_job** job, backstay_error** error)
{
    return start_on_repository(repository, "prune", Gives::listings, options, cancel, job, error,
                               backstay::capi::prune_options, backstay::core::run_prune);
}

backstay_status backstay_wal_push_start(backstay_repository* repository,
                                        const backstay_options* options, backstay_cancel* cancel,
                                        backstay_job** job, backstay_error** error)
{
    return start_on_repository(repository, "wal.push", Gives::problems, options, cancel, job, error,
                               backstay::capi::wal_push_options, backstay::core::push_log_file);
}

backstay_status backstay_wal_fetch_start(backstay_repository* repository,
                                         const backstay_options* options, backstay_cancel* cancel,
                                         backstay_job** job, backstay_error** error)
{
    return start_on_repository(repository, "wal.fetch", Gives::problems, options, cancel, job,
                               error, backstay::capi::wal_fetch_options,
                               backstay::core::fetch_log_file);
}

backstay_status backstay_wal_receive_start(backstay_repository* repository,
                                           const backstay_options* options, backstay_cancel* cancel,
                                           backstay_job** job, backstay_error** error)
{
    return start_on_repository(repository, "wal.receive", Gives::listings, options, cancel, job,
                               error, backstay::capi::wal_receive_options,
                               backstay::core::receive_log);
}

} // extern "C"
