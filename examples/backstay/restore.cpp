#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

void show(Invocation& invocation, const backstay::Record& record)
{
    const std::string type = record.type();
    const std::string path = printable(record.text("path"));
    if (type == "entry") {
        invocation.terminal().result("/" + path);
    } else if (type == "step" || type == "conflict") {
        invocation.terminal().result(
            fmt::format("{:<8} {}{}", record.text("action"), path,
                        record.text("message").empty() ? "" : ": " + record.text("message")));
    } else if (type == "space") {
        invocation.terminal().result(
            fmt::format("needs {}", size_text(static_cast<std::uint64_t>(record.number("bytes")))));
    }
}

void finish(Invocation& invocation, const backstay::Record& summary)
{
    if (summary.flag("dry_run")) {
        invocation.terminal().say("dry run: nothing was restored");
        return;
    }
    invocation.terminal().say(
        fmt::format("{} entries restored, {} written, {} were there already, in {}{}",
                    summary.number("entries"),
                    size_text(static_cast<std::uint64_t>(summary.number("bytes_written"))),
                    size_text(static_cast<std::uint64_t>(summary.number("bytes_reused"))),
                    duration_text(summary.seconds("seconds")), problems_text(summary)));
}

constexpr const char* to_cluster = "to-postgres-directory";
constexpr const char* to_server = "to-postgres";
constexpr const char* log_from_repository = "log-from-repository";

/// A word for a shell, within a setting where the server replaces what follows a '%'.
std::string quoted_for_server(const std::string& word)
{
    std::string quoted = "'";
    for (const char c : word) {
        if (c == '\'') {
            quoted += "'\\''";
        } else {
            quoted += c;
            if (c == '%') {
                quoted += c;
            }
        }
    }
    return quoted + "'";
}

/// What a recovering server runs to get further log out of this repository.
std::string fetch_command(const Invocation& invocation)
{
    std::string command;
    for (const std::string& word : invocation.words_for_another_process()) {
        command += quoted_for_server(word) + " ";
    }
    return command + "wal-fetch %f %p";
}

/// An option that would do nothing is a mistake that should not wait for the restore to show.
void refuse_idle_options(const Invocation& invocation)
{
    constexpr const char* of_files[] = {"include",   "exclude", "include-file", "strip-components",
                                        "overwrite", "delete",  "sparse",       "numeric-owner"};
    constexpr const char* of_clusters[] = {
        "target-time",     "target-lsn",      "target-xid",       "target-name",    "immediate",
        "target-timeline", "restore-command", "map-tablespace",   "keep-archiving", "start",
        "start-options",   "owner",           log_from_repository};
    constexpr const char* of_servers[] = {"database",  "table",       "schema",
                                          "data-only", "schema-only", "jobs",
                                          "no-grants", "no-roles",    "replace"};
    const bool is_postgres = invocation.has(to_cluster) || invocation.has(to_server);
    for (const char* key : of_files) {
        if (is_postgres && invocation.has(key)) {
            throw UsageError(fmt::format("--{} is for files, not for PostgreSQL", key));
        }
    }
    for (const char* key : {"thaw-tier", "thaw-days"}) {
        if (!invocation.has("thaw") && invocation.has(key)) {
            throw UsageError(fmt::format("--{} needs --thaw ask or --thaw wait", key));
        }
    }
    for (const char* key : of_servers) {
        if (!invocation.has(to_server) && invocation.has(key)) {
            throw UsageError(fmt::format("--{} needs --{} CONNINFO", key, to_server));
        }
    }
    for (const char* key : of_clusters) {
        if (!invocation.has(to_cluster) && invocation.has(key)) {
            throw UsageError(fmt::format("--{} needs --{} DIR", key, to_cluster));
        }
    }
}

/// The one place that the command line names.
backstay::Target open_target(Invocation& invocation)
{
    const int places = (invocation.has("to") ? 1 : 0) + (invocation.has("in-place") ? 1 : 0) +
                       (invocation.has(to_cluster) ? 1 : 0) + (invocation.has(to_server) ? 1 : 0);
    if (places != 1) {
        throw UsageError("say where to restore: one of --to DIR, --in-place, --to-postgres "
                         "CONNINFO and --to-postgres-directory DIR");
    }
    refuse_idle_options(invocation);
    if (invocation.has(to_cluster) || invocation.has(to_server)) {
        backstay::Options place = invocation.options("target.postgres");
        const bool is_server = invocation.has(to_server);
        place.add(is_server ? "conninfo" : "directory",
                  invocation.value(is_server ? to_server : to_cluster));
        if (invocation.has(log_from_repository)) {
            place.add("restore-command", fetch_command(invocation));
        }
        return backstay::Target::postgres(invocation.engine(), place);
    }
    backstay::Options place = invocation.options("target.directory");
    if (invocation.has("to")) {
        place.add("path", invocation.value("to"));
    }
    return backstay::Target::directory(invocation.engine(), place);
}

int run(Invocation& invocation)
{
    auto [name, path] = Invocation::split(invocation.positional("SNAPSHOT[:PATH]"));
    if (path.empty() && (invocation.has(to_cluster) || invocation.has(to_server))) {
        path = "postgres";
    }
    const backstay::Options options = invocation.options("restore");
    const backstay::Target target = open_target(invocation);
    const backstay::Repository repository = invocation.repository();
    const backstay::Snapshot snapshot = invocation.snapshot(repository, name);
    return run_job(invocation, snapshot.restore(path, target, &options, &invocation.cancel()),
                   {[&](const backstay::Record& record) { show(invocation, record); },
                    [&](const backstay::Record& summary) { finish(invocation, summary); }});
}

} // namespace

Command restore_command()
{
    return {
        "restore",
        "Restore files, databases or a database cluster",
        "backstay -r /mnt/backups restore latest:/etc --to /tmp/etc --verify",
        {{"SNAPSHOT[:PATH]", "A snapshot, and what of it: its content goes into DIR; the whole "
                             "goes to DIR/<full path>"}},
        {"restore", "target.directory", "target.postgres", "filter"},
        {"target.directory/path", "kind", "directory", "conninfo"},
        {{"to", "DIR", "The folder to restore into"},
         {to_server, "CONNINFO",
          "Restore a logical PostgreSQL backup to this server (connection string or URI, without a "
          "password)"},
         {to_cluster, "DIR", "Lay a physical PostgreSQL backup out as a cluster in this folder"},
         {log_from_repository, "",
          "Let the recovering server get further log from this repository (wal-fetch)"}},
        run};
}

} // namespace command
