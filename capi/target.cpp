#include "guarded.hpp"
#include "handles.hpp"

#include "target/archive_target.hpp"
#include "target/postgres/cluster_target.hpp"
#include "target/postgres/database_target.hpp"
#include "target/stream_target.hpp"

using backstay::capi::EngineRef;
using backstay::capi::guarded;
using backstay::capi::need;
using backstay::core::ArchiveFormat;
using backstay::core::ArchiveTargetOptions;
using backstay::core::DirectoryTargetOptions;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::OptionSet;
using backstay::core::Overwrite;

namespace
{

Overwrite overwrite_of(const std::string& word)
{
    if (word == "if-changed") {
        return Overwrite::if_changed;
    }
    if (word == "if-newer") {
        return Overwrite::if_newer;
    }
    return word == "never" ? Overwrite::never : Overwrite::always;
}

DirectoryTargetOptions directory_options(const OptionSet& set)
{
    DirectoryTargetOptions options;
    const bool in_place = set.flag("in-place");
    if (in_place == set.has("path")) {
        throw Error(ErrorCode::invalid, "say where to restore: either a folder, or in place");
    }
    options.path = in_place ? "/" : set.text("path");
    options.overwrite = overwrite_of(set.text("overwrite"));
    options.delete_extra = set.flag("delete");
    options.sparse = set.flag("sparse");
    options.sync = set.flag("sync");
    options.owners = !set.flag("no-owner");
    options.numeric_owners = set.flag("numeric-owner");
    return options;
}

ArchiveFormat format_of(const std::string& word)
{
    if (word == "tar.zst") {
        return ArchiveFormat::tar_zst;
    }
    if (word == "zip") {
        return ArchiveFormat::zip;
    }
    return word == "iso9660" ? ArchiveFormat::iso9660 : ArchiveFormat::tar;
}

ArchiveTargetOptions archive_options(const OptionSet& set)
{
    ArchiveTargetOptions options;
    options.format = format_of(set.text("format"));
    options.path = set.text("path");
    options.descriptor = static_cast<int>(set.number("descriptor"));
    options.overwrite = set.flag("overwrite");
    return options;
}

backstay::core::PostgresDirectoryOptions postgres_options(const OptionSet& set, unsigned threads)
{
    backstay::core::PostgresDirectoryOptions options;
    options.directory = set.text("directory");
    options.delta = set.flag("delta");
    for (const std::string& mapping : set.texts("map-tablespace")) {
        options.tablespaces.push_back(backstay::core::parse_tablespace_mapping(mapping));
    }
    backstay::core::RecoveryOptions& recovery = options.recovery;
    recovery.time = set.time("target-time");
    recovery.log_position = set.text("target-lsn");
    recovery.transaction = set.text("target-xid");
    recovery.name = set.text("target-name");
    recovery.immediate = set.flag("immediate");
    recovery.timeline = set.text("target-timeline");
    recovery.restore_command = set.text("restore-command");
    recovery.keep_archiving = set.flag("keep-archiving");
    options.start = set.flag("start");
    options.start_options = set.text("start-options");
    options.program_folder = set.text("postgres-programs");
    options.owner = set.text("owner");
    options.threads = threads;
    return options;
}

backstay::core::PostgresRestoreOptions database_options(const OptionSet& set)
{
    backstay::core::PostgresRestoreOptions options;
    options.conninfo = set.text("conninfo");
    for (const std::string& mapping : set.texts("database")) {
        options.databases.push_back(backstay::core::parse_postgres_mapping(mapping));
    }
    options.tables = set.texts("table");
    options.schemas = set.texts("schema");
    options.data_only = set.flag("data-only");
    options.schema_only = set.flag("schema-only");
    options.jobs = static_cast<unsigned>(set.number("jobs"));
    options.owners = !set.flag("no-owner");
    options.grants = !set.flag("no-grants");
    options.roles = !set.flag("no-roles");
    options.replace = set.flag("replace");
    options.program_folder = set.text("postgres-programs");
    return options;
}

std::shared_ptr<backstay::core::Target> postgres_target(const EngineRef& state,
                                                        const OptionSet& set)
{
    if (set.has("conninfo") == set.has("directory")) {
        throw Error(ErrorCode::invalid, "say where to restore: a logical backup to a server "
                                        "(conninfo), a physical one into a folder (directory)");
    }
    if (set.has("conninfo")) {
        return backstay::core::make_postgres_database_target(database_options(set));
    }
    return backstay::core::make_postgres_directory_target(
        postgres_options(set, state->limits().threads));
}

template <typename Make>
backstay_status open_target(backstay_engine* engine, const char* scope,
                            const backstay_options* options, backstay_target** target,
                            backstay_error** error, Make&& make)
{
    return guarded(error, [&] {
        const EngineRef& state = need(engine, "engine").state;
        state->check_process();
        need(target, "target");
        std::optional<OptionSet> storage;
        *target = new backstay_target(
            make(state, backstay::capi::options_or_default(options, scope, storage)));
        return BACKSTAY_OK;
    });
}

} // namespace

extern "C" {

backstay_status backstay_target_open_directory(backstay_engine* engine,
                                               const backstay_options* options,
                                               backstay_target** target, backstay_error** error)
{
    return open_target(
        engine, "target.directory", options, target, error,
        [](const EngineRef& state, const OptionSet& set) {
            return backstay_target{state, directory_options(set), set.flag("in-place"), nullptr};
        });
}

backstay_status backstay_target_open_stream(backstay_engine* engine,
                                            const backstay_options* options,
                                            backstay_target** target, backstay_error** error)
{
    return open_target(engine, "target.stream", options, target, error,
                       [](const EngineRef& state, const OptionSet& set) {
                           return backstay_target{state, std::nullopt, false,
                                                  backstay::core::make_stream_target(
                                                      static_cast<int>(set.number("descriptor")))};
                       });
}

backstay_status backstay_target_open_archive(backstay_engine* engine,
                                             const backstay_options* options,
                                             backstay_target** target, backstay_error** error)
{
    return open_target(engine, "target.archive", options, target, error,
                       [](const EngineRef& state, const OptionSet& set) {
                           return backstay_target{
                               state, std::nullopt, false,
                               backstay::core::make_archive_target(archive_options(set))};
                       });
}

backstay_status backstay_target_open_postgres(backstay_engine* engine,
                                              const backstay_options* options,
                                              backstay_target** target, backstay_error** error)
{
    return open_target(
        engine, "target.postgres", options, target, error,
        [](const EngineRef& state, const OptionSet& set) {
            return backstay_target{state, std::nullopt, false, postgres_target(state, set)};
        });
}

void backstay_target_free(backstay_target* target)
{
    backstay::capi::free_handle(target, &backstay_target::engine);
}

} // extern "C"
