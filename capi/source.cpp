#include "guarded.hpp"
#include "handles.hpp"
#include "host_source.hpp"
#include "list_file.hpp"
#include "visible_struct.hpp"

#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"
#include "source/archive_source.hpp"
#include "source/postgres/dump_source.hpp"
#include "source/postgres/physical_source.hpp"
#include "source/stream_source.hpp"
#include "source/tree_source.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/core.h>
#include <span>

using backstay::capi::EngineRef;
using backstay::capi::guarded;
using backstay::capi::need;
using backstay::core::DataSource;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::OptionSet;
using backstay::core::Record;
using backstay::core::TreeSourceOptions;

namespace
{

void append(std::vector<std::string>& to, std::vector<std::string> more)
{
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

TreeSourceOptions tree_options(const OptionSet& set, unsigned lanes)
{
    TreeSourceOptions options;
    options.roots = set.texts("path");
    for (const std::string& file : set.texts("files-from")) {
        append(options.roots, backstay::capi::lines_of_file(file));
    }
    for (const std::string& file : set.texts("files-from-raw")) {
        append(options.roots, backstay::capi::items_of_file(file));
    }
    options.excludes = set.texts("exclude");
    for (const std::string& file : set.texts("exclude-file")) {
        append(options.excludes, backstay::capi::lines_of_file(file));
    }
    options.excludes_ignoring_case = set.texts("iexclude");
    options.exclude_if_present = set.texts("exclude-if-present");
    options.exclude_caches = set.flag("exclude-caches");
    options.exclude_nodump = !set.flag("no-nodump");
    options.exclude_larger_than = set.size("exclude-larger-than");
    options.one_file_system = set.flag("one-file-system");
    options.ignore_change_time = set.flag("ignore-ctime");
    options.ignore_inode = set.flag("ignore-inode");
    options.lanes = lanes;
    if (options.roots.empty()) {
        throw Error(ErrorCode::invalid, "there is nothing to save: give at least one path");
    }
    return options;
}

constexpr const char* of_physical[] = {"checkpoint", "incremental", "max-rate"};
constexpr const char* of_logical[] = {"database",       "exclude-database",   "exclude-schema",
                                      "exclude-table",  "exclude-table-data", "no-role-passwords",
                                      "parallel-dumps", "lock-timeout",       "postgres-programs"};

/// What would do nothing is a mistake: a choice of databases is none of a whole cluster.
void refuse(const OptionSet& set, std::span<const char* const> keys, const char* method)
{
    for (const char* key : keys) {
        if (set.has(key)) {
            throw Error(ErrorCode::invalid,
                        fmt::format("option '{}' is for the {} method", key, method), key);
        }
    }
}

backstay_source physical_source(const EngineRef& state, const OptionSet& set)
{
    refuse(set, of_logical, "logical");
    backstay::core::PostgresPhysicalOptions options;
    options.conninfo = set.text("conninfo");
    options.fast_checkpoint = set.text("checkpoint") == "fast";
    options.rate_kib = (set.size("max-rate") + backstay::core::KiB - 1) / backstay::core::KiB;
    options.incremental = set.flag("incremental");
    std::shared_ptr<DataSource> source = make_postgres_physical_source(options);
    return backstay_source{state,
                           "postgres.physical",
                           {backstay::core::postgres_server_name(options.conninfo)},
                           std::move(source),
                           {}};
}

backstay_source logical_source(const EngineRef& state, const OptionSet& set)
{
    refuse(set, of_physical, "physical");
    backstay::core::PostgresDumpOptions options;
    options.conninfo = set.text("conninfo");
    options.databases = set.texts("database");
    options.exclude_databases = set.texts("exclude-database");
    options.exclude_schemas = set.texts("exclude-schema");
    options.exclude_tables = set.texts("exclude-table");
    options.exclude_table_data = set.texts("exclude-table-data");
    options.program_folder = set.text("postgres-programs");
    options.role_passwords = !set.flag("no-role-passwords");
    constexpr unsigned most_by_itself = 4;
    const auto jobs = static_cast<unsigned>(set.number("parallel-dumps"));
    options.jobs = jobs > 0 ? jobs : std::min(state->limits().threads, most_by_itself);
    options.lock_patience = std::chrono::seconds(
        set.duration("lock-timeout").value_or(backstay::core::Duration{}).seconds);
    std::vector<std::string> roots{backstay::core::postgres_server_name(options.conninfo)};
    append(roots, options.databases);
    std::shared_ptr<DataSource> source = make_postgres_dump_source(std::move(options));
    return backstay_source{state, "postgres.logical", std::move(roots), std::move(source), {}};
}

/// Opens a source of ours: what all source_open functions share.
template <typename Make>
backstay_status open_source(backstay_engine* engine, const char* scope,
                            const backstay_options* options, backstay_source** source,
                            backstay_error** error, Make&& make)
{
    return guarded(error, [&] {
        const EngineRef& state = need(engine, "engine").state;
        state->check_process();
        need(source, "source");
        std::optional<OptionSet> storage;
        *source = new backstay_source(
            make(state, backstay::capi::options_or_default(options, scope, storage)));
        return BACKSTAY_OK;
    });
}

} // namespace

extern "C" {

backstay_status backstay_source_open_tree(backstay_engine* engine, const backstay_options* options,
                                          backstay_source** source, backstay_error** error)
{
    return open_source(
        engine, "source.tree", options, source, error,
        [](const EngineRef& state, const OptionSet& set) {
            const TreeSourceOptions given = tree_options(set, state->limits().threads);
            const auto make = [given](bool force) -> std::shared_ptr<DataSource> {
                TreeSourceOptions chosen = given;
                chosen.force = force;
                return backstay::core::make_tree_source(std::move(chosen));
            };
            return backstay_source{state, "tree", backstay::core::absolute_roots(given.roots),
                                   make(false), make};
        });
}

backstay_status backstay_source_open_stream(backstay_engine* engine,
                                            const backstay_options* options,
                                            backstay_source** source, backstay_error** error)
{
    return open_source(engine, "source.stream", options, source, error,
                       [](const EngineRef& state, const OptionSet& set) {
                           const std::string name = set.text("name");
                           return backstay_source{
                               state,
                               "stream",
                               {name},
                               backstay::core::make_stream_source(
                                   static_cast<int>(set.number("descriptor")), name),
                               {}};
                       });
}

backstay_status backstay_source_open_command(backstay_engine* engine,
                                             const backstay_options* options,
                                             backstay_source** source, backstay_error** error)
{
    return open_source(engine, "source.command", options, source, error,
                       [](const EngineRef& state, const OptionSet& set) {
                           const std::string name = set.text("name");
                           if (name.empty() || set.texts("argument").empty()) {
                               throw Error(ErrorCode::invalid,
                                           "a command's output needs a name and a command");
                           }
                           return backstay_source{
                               state,
                               "command",
                               {name},
                               backstay::core::make_command_source({name, set.texts("argument")}),
                               {}};
                       });
}

backstay_status backstay_source_open_archive(backstay_engine* engine,
                                             const backstay_options* options,
                                             backstay_source** source, backstay_error** error)
{
    return open_source(
        engine, "source.archive", options, source, error,
        [](const EngineRef& state, const OptionSet& set) {
            const std::string path = set.text("path");
            if (path.empty()) {
                throw Error(ErrorCode::invalid, "give the archive's path");
            }
            return backstay_source{
                state, "archive", {path}, backstay::core::make_archive_source(path), {}};
        });
}

backstay_status backstay_source_open_postgres(backstay_engine* engine,
                                              const backstay_options* options,
                                              backstay_source** source, backstay_error** error)
{
    return open_source(engine, "source.postgres", options, source, error,
                       [](const EngineRef& state, const OptionSet& set) {
                           return set.text("method") == "logical" ? logical_source(state, set)
                                                                  : physical_source(state, set);
                       });
}

backstay_status backstay_source_new(backstay_engine* engine, const backstay_source_vtable* vtable,
                                    void* self, backstay_source** source, backstay_error** error)
{
    bool taken = false;
    const backstay_status status = guarded(error, [&] {
        const backstay_source_vtable table = backstay::capi::read_struct(vtable, "vtable");
        const EngineRef& state = need(engine, "engine").state;
        state->check_process();
        need(source, "source");
        if (table.open == nullptr || table.next == nullptr || table.read == nullptr ||
            table.finish == nullptr || table.flags != 0) {
            throw Error(ErrorCode::invalid,
                        "a source's table needs open, next, read and finish, and flags 0");
        }
        auto handle = std::make_unique<backstay_source>();
        taken = true;
        handle->source = backstay::capi::make_host_source(table, self);
        handle->engine = state;
        handle->kind = "host";
        *source = handle.release();
        return BACKSTAY_OK;
    });
    if (!taken && vtable != nullptr && vtable->struct_size >= sizeof(backstay_source_vtable) &&
        vtable->destroy != nullptr) {
        vtable->destroy(self); // exactly once, on failure too
    }
    return status;
}

backstay_status backstay_source_probe(backstay_source* source, backstay_cancel* cancel,
                                      backstay_record** record, backstay_error** error)
{
    return guarded(error, [&] {
        need(source, "source").engine->check_process();
        need(record, "record") = backstay::capi::new_record(
            Record::from_json(source->source->probe(backstay::capi::stop_of(cancel))));
        return BACKSTAY_OK;
    });
}

void backstay_source_free(backstay_source* source)
{
    backstay::capi::free_handle(source, &backstay_source::engine);
}

} // extern "C"
